import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import {
  authorizationOf,
  BALANCE,
  ENTRIES,
  type Entry,
  isForbidden,
  isMain,
  pause,
  RefusedError,
  runFromCommandLine,
  type Watch,
} from './watch.ts'

/*
 * graphql-ws alone: a balance, and then every entry after it, whatever becomes of the connection. The library connects
 * again by itself and sends its payload once more, so the payload has to know how far it has come.
 */

export async function watchAccount({ endpoint, accountId, token, onBalance, onEntry, signal }: Watch): Promise<void> {
  const client = createClient({
    url: endpoint.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: authorizationOf(token),
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (event) => !isForbidden(event),
    retryWait: pause,
  })
  signal.addEventListener('abort', () => void client.dispose())

  let since: string | undefined
  for await (const { data, errors } of client.iterate<{ account: { balance: { amount: string; cursor: string } } }>({
    query: BALANCE,
    variables: { accountId },
  })) {
    if (errors) throw new RefusedError(errors[0]?.message)
    if (!data?.account) throw new RefusedError('there is no such account')
    onBalance(data.account.balance)
    since = data.account.balance.cursor
  }

  const payload = { query: ENTRIES, variables: { accountId, since } }
  while (!signal.aborted) {
    for await (const { data, errors } of client.iterate<{ entryPosted: Entry }>(payload)) {
      // One who reads too slowly is sent away, and may come back: with the cursor nothing is lost.
      if (errors) {
        if (errors[0]?.extensions?.retryable) break
        throw new RefusedError(errors[0]?.message)
      }
      if (!data) continue
      payload.variables.since = data.entryPosted.cursor
      onEntry(data.entryPosted)
    }
    if (!signal.aborted) await pause()
  }
}

if (isMain(import.meta.url)) await runFromCommandLine(watchAccount)
