import DataLoader from 'dataloader'
import { countStatements, currentCount, type StatementCount } from './statement-count.ts'

/** Calls that may share a statement. */
const CALLS_MAX = 100

interface Call<Request> {
  requests: readonly Request[]
  count: StatementCount | undefined
}

/**
 * One statement for everybody who asks in the same turn of the event loop, whatever operation they belong to: under load
 * many small reads cost little more than one. A call's requests stay together, and none joins a statement that is sent,
 * so an answer is never older than its question.
 *
 * @param send answers in the order and length of the requests.
 */
export function jointStatement<Request, Answer>(
  send: (requests: readonly Request[]) => Promise<Answer[]>,
): (requests: readonly Request[]) => Promise<Answer[]> {
  const calls = new DataLoader<Call<Request>, Answer[]>(
    async (calls) => {
      const requests = calls.flatMap((call) => call.requests)
      const counts = new Set(calls.flatMap(({ count }) => count ?? []))
      for (const count of counts) count.statements++
      const answers = await (counts.size > 0 ? countStatements(undefined, () => send(requests)) : send(requests))
      let start = 0
      return calls.map((call) => {
        const end = start + call.requests.length
        const own = answers.slice(start, end)
        start = end
        return own
      })
    },
    { cache: false, maxBatchSize: CALLS_MAX, batchScheduleFn: (dispatch) => setImmediate(dispatch) },
  )
  return (requests) => calls.load({ requests, count: currentCount() })
}
