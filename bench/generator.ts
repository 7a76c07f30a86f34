import { Connection } from './connection.ts'
import { OPERATIONS, type OperationName } from './requests.ts'

/*
 * The load, in a process of its own: slices that the parent asks for by message, one at a time. Each connection sends a
 * request as soon as it has the answer to its last one, and what is asked when the time is over is still waited for: so
 * what was acknowledged is known to the last transfer.
 *
 * Of our own, since on two cores a generator's time is taken from the server's: a request costs this one 15 µs of a core and
 * autocannon 9 28 µs, with a body made and an answer looked at for each, so that autocannon takes a whole core where
 * bare-server.ts answers trivial queries. What both measured is in docs/performance.md.
 */

export interface SliceRequest {
  address: string
  token: string | null
  operation: OperationName
  connections: number
  seconds: number
  accountIds: readonly string[]
}

export interface SliceResult {
  seconds: number
  /** Successes alone. */
  answered: number
  failed: number
  /** Of the failures. */
  example: string | undefined
  latenciesMs: number[]
  /** Processor time of this process. */
  cpuSeconds: number
}

async function runSlice(request: SliceRequest): Promise<SliceResult> {
  const { address, token, operation, connections, seconds, accountIds } = request
  const { body, isSuccess } = OPERATIONS[operation]
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(address, token)))
  const latenciesMs: number[] = []
  let failed = 0
  let example: string | undefined
  const cpu = process.cpuUsage()
  const start = performance.now()
  const end = start + seconds * 1_000
  await Promise.all(
    open.map(
      (connection) =>
        new Promise<void>((resolve) => {
          const next = (askedAt: number) => {
            if (askedAt >= end) return resolve()
            connection.ask(body(accountIds), (answer) => {
              const answeredAt = performance.now()
              if (answer.status === 200 && isSuccess(answer.body)) latenciesMs.push(answeredAt - askedAt)
              else {
                failed++
                example ??= `${answer.status} ${answer.body}`
                // A lost connection asks nothing more.
                if (answer.status === 0) return resolve()
              }
              next(answeredAt)
            })
          }
          next(start)
        }),
    ),
  )
  const elapsedSeconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  for (const connection of open) connection.close()
  return {
    seconds: elapsedSeconds,
    answered: latenciesMs.length,
    failed,
    example,
    latenciesMs,
    cpuSeconds: (user + system) / 1e6,
  }
}

process.on('message', async (request: SliceRequest) => process.send?.(await runSlice(request)))
process.once('disconnect', () => process.exit())
