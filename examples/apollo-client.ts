import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { BALANCE, ENTRIES, type Entry, isMain, pause, runFromCommandLine, type Watch } from './watch.ts'

/*
 * Apollo Client: a balance over HTTP, and then every entry after it over a socket. Apollo's link copies what it sends, so
 * the library's own retry would ask the old cursor again: it is off, and we subscribe anew.
 */

export async function watchAccount({ endpoint, userId, onBalance, onEntry, signal }: Watch): Promise<void> {
  const socket = createClient({
    url: endpoint.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      new GraphQLWsLink(socket),
      new HttpLink({ uri: endpoint }),
    ),
  })

  const { data } = await client.query<{ user: { balance: { amount: string; cursor: string } } | null }>({
    query: gql(BALANCE),
    variables: { userId },
    fetchPolicy: 'no-cache',
  })
  if (!data?.user) throw new Error('there is no such user')
  onBalance(data.user.balance)
  let since = data.user.balance.cursor

  while (!signal.aborted) {
    await new Promise<void>((resolve) => {
      const subscription = client
        .subscribe<{ entryPosted: Entry }>({
          query: gql(ENTRIES),
          variables: { userId, since },
          fetchPolicy: 'no-cache',
          errorPolicy: 'all',
        })
        .subscribe({
          next({ data }) {
            // Without data: the server sent us away, for reading too slowly, and ends it.
            if (!data?.entryPosted) return
            since = data.entryPosted.cursor
            onEntry(data.entryPosted)
          },
          // The connection is gone, or the server is.
          error: () => resolve(),
          complete: () => resolve(),
        })
      signal.addEventListener('abort', () => {
        subscription.unsubscribe()
        resolve()
      })
    })
    if (!signal.aborted) await pause()
  }
  client.stop()
  await socket.dispose()
}

if (isMain(import.meta.url)) await runFromCommandLine(watchAccount)
