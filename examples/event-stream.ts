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

/* Server-sent events with nothing but fetch: a balance, and then every entry after it. */

interface Answer<Data> {
  data?: Data | null
  errors?: { message: string; extensions?: { retryable?: boolean } }[]
}

export async function watchAccount({ endpoint, accountId, token, onBalance, onEntry, signal }: Watch): Promise<void> {
  const post = (accept: string, query: string, variables: object) =>
    fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, ...authorizationOf(token) },
      body: JSON.stringify({ query, variables }),
      signal,
    })

  const response = await post('application/json', BALANCE, { accountId })
  const { data, errors } = (await response.json()) as Answer<{
    account: { balance: { amount: string; cursor: string } } | null
  }>
  if (!data?.account) throw new RefusedError(errors?.[0]?.message ?? 'there is no such account')
  onBalance(data.account.balance)
  let since = data.account.balance.cursor

  while (!signal.aborted) {
    try {
      const stream = await post('text/event-stream', ENTRIES, { accountId, since })
      for await (const { data, errors } of readEvents<{ entryPosted: Entry | null }>(stream)) {
        if (errors && !errors[0]?.extensions?.retryable) throw new RefusedError(errors[0]?.message)
        if (!data?.entryPosted) continue
        since = data.entryPosted.cursor
        onEntry(data.entryPosted)
      }
    } catch (error) {
      // Anything else is a connection that ended: we ask again from where we are.
      if (error instanceof RefusedError) throw error
    }
    if (!signal.aborted) await pause()
  }
}

/** The events `next` of a stream, as they come; it ends when the server says so, or the connection does. */
async function* readEvents<Data>(response: Response): AsyncGenerator<Answer<Data>> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const data = lines
        .find((line) => line.startsWith('data:'))
        ?.slice(5)
        .trim()
      if (lines.some((line) => line.trim() === 'event: next') && data) yield JSON.parse(data)
    }
  }
}

if (isMain(import.meta.url)) await runFromCommandLine(watchAccount)
