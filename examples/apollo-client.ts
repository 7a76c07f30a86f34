import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import {
  authorizationOf,
  BALANCE,
  ENTRIES,
  type Entry,
  isMain,
  pause,
  RefusedError,
  runFromCommandLine,
  type Watch,
} from './watch.ts'

/*
 * Apollo Client: a balance over HTTP, and then every entry after it over a socket. Apollo's link copies what it sends, so
 * the library's own retry would ask the old cursor again: it is off, and we subscribe anew.
 */

// Apollo's link reads the browser's global when a connection fails; Node has one from 22 on.
if (!('WebSocket' in globalThis)) Object.assign(globalThis, { WebSocket })

export async function watchAccount({ endpoint, accountId, token, onBalance, onEntry, signal }: Watch): Promise<void> {
  const socket = createClient({
    url: endpoint.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: authorizationOf(token),
    retryAttempts: 0,
  })
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      new GraphQLWsLink(socket),
      new HttpLink({ uri: endpoint, headers: authorizationOf(token) }),
    ),
  })

  const { data } = await client.query<{ account: { balance: { amount: string; cursor: string } } | null }>({
    query: gql(BALANCE),
    variables: { accountId },
    fetchPolicy: 'no-cache',
  })
  if (!data?.account) throw new RefusedError('there is no such account')
  onBalance(data.account.balance)
  let since = data.account.balance.cursor

  let end = () => {}
  signal.addEventListener('abort', () => end())
  while (!signal.aborted) {
    await new Promise<void>((resolve, reject) => {
      const subscription = client
        .subscribe<{ entryPosted: Entry }>({
          query: gql(ENTRIES),
          variables: { accountId, since },
          fetchPolicy: 'no-cache',
        })
        .subscribe({
          next({ data, error }) {
            if (data?.entryPosted) {
              since = data.entryPosted.cursor
              onEntry(data.entryPosted)
            }
            // Sent away for reading too slowly, it comes back; refused, it does not.
            if (isRefusal(error)) reject(new RefusedError(error?.message))
          },
          // The connection is gone, or the server is.
          error: (error) => (isRefusal(error) ? reject(new RefusedError(error.message)) : resolve()),
          complete: () => resolve(),
        })
      end = () => {
        subscription.unsubscribe()
        resolve()
      }
    })
    if (!signal.aborted) await pause()
  }
  client.stop()
  await socket.dispose()
}

/** The server's own word, and not one that it may take back. */
function isRefusal(error: unknown): boolean {
  return CombinedGraphQLErrors.is(error) && !error.errors[0]?.extensions?.retryable
}

if (isMain(import.meta.url)) await runFromCommandLine(watchAccount)
