import { Client, fetchExchange, subscriptionExchange } from '@urql/core'
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
 * urql: a balance over HTTP, and then every entry after it over a socket. Its exchange hands each subscription to
 * graphql-ws, whose retry sends the same payload once more: here the payload takes down how far it has come.
 */

export async function watchAccount({ endpoint, accountId, token, onBalance, onEntry, signal }: Watch): Promise<void> {
  const socket = createClient({
    url: endpoint.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: authorizationOf(token),
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (event) => !isForbidden(event),
    retryWait: pause,
  })
  const client = new Client({
    url: endpoint,
    preferGetMethod: false,
    fetchOptions: { headers: authorizationOf(token) },
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription({ query = '', variables }) {
          const payload = { query, variables: { ...variables } }
          return {
            subscribe: (sink) => ({
              unsubscribe: socket.subscribe<{ entryPosted?: Entry }>(payload, {
                ...sink,
                next(result) {
                  const { cursor } = result.data?.entryPosted ?? {}
                  if (cursor) payload.variables.since = cursor
                  sink.next(result as never)
                },
              }),
            }),
          }
        },
      }),
    ],
  })

  const { data, error } = await client
    .query<{ account: { balance: { amount: string; cursor: string } } | null }>(BALANCE, { accountId })
    .toPromise()
  if (!data?.account) throw error ?? new RefusedError('there is no such account')
  onBalance(data.account.balance)
  let since = data.account.balance.cursor

  let end = () => {}
  signal.addEventListener('abort', () => end())
  while (!signal.aborted) {
    await new Promise<void>((resolve, reject) => {
      const { unsubscribe } = client
        .subscription<{ entryPosted: Entry }>(ENTRIES, { accountId, since })
        .subscribe(({ data, error }) => {
          if (data?.entryPosted) {
            since = data.entryPosted.cursor
            onEntry(data.entryPosted)
          }
          if (!error) return
          unsubscribe()
          // Sent away for reading too slowly, it comes back: with the cursor nothing is lost. Refused, it does not.
          const [refusal] = error.graphQLErrors
          if (refusal && !refusal.extensions.retryable) reject(new RefusedError(refusal.message))
          else resolve()
        })
      end = () => {
        unsubscribe()
        resolve()
      }
    })
    if (!signal.aborted) await pause()
  }
  await socket.dispose()
}

if (isMain(import.meta.url)) await runFromCommandLine(watchAccount)
