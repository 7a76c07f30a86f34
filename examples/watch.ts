import { readFileSync } from 'node:fs'

/* What all examples here do, and what they share: nothing but the words of the API. */

export interface Watch {
  /** As in `http://localhost:4000/graphql`. */
  endpoint: string
  accountId: string
  /** Of whose account it is, of an operator, or of a service. */
  token: string
  /** The balance that the entries follow on. */
  onBalance(balance: { amount: string; cursor: string }): void
  /** Each entry after it: in order, none missed, none twice. */
  onEntry(entry: Entry): void
  /** Ends it. */
  signal: AbortSignal
}

export interface Entry {
  /** Where to go on from after this entry. */
  cursor: string
  sequence: number
  change: string
  balanceAfter: string
}

export const BALANCE = 'query Balance($accountId: ID!) { account(id: $accountId) { balance { amount cursor } } }'

export const ENTRIES = `subscription Entries($accountId: ID!, $since: String) {
  entryPosted(accountId: $accountId, since: $since) { cursor sequence change balanceAfter }
}`

/** The server refused, and would refuse again. */
export class RefusedError extends Error {}

/** The headers of a request, and the payload that opens a socket. */
export const authorizationOf = (token: string) => ({ authorization: `Bearer ${token}` })

/** Whether a socket was closed because its token is not valid: with the same token it would be closed again. */
export const isForbidden = (event: unknown) => (event as { code?: unknown } | null)?.code === 4403

/** Any time that a server may be away for, so that a thousand clients do not come back at once. */
export const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 200 + Math.random() * 800))

/** Where a server in development, started in this folder, keeps the token of its demo operator. */
const TOKEN_FILE = '.data/operator-token'

/** Runs a program with the endpoint and the account from its arguments, until Ctrl-C. An error is printed, with exit code 1. */
export async function runFromCommandLine(watchAccount: (watch: Watch) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  try {
    const [endpoint, accountId] = process.argv.slice(2)
    if (!endpoint || !accountId)
      throw new Error('Give the endpoint (http://localhost:4000/graphql) and the id of an account.')
    await watchAccount({
      endpoint,
      accountId,
      token: process.env.THESAURUM_TOKEN ?? readToken(),
      signal: stop.signal,
      onBalance: ({ amount }) => console.log('balance', amount),
      onEntry: ({ sequence, change, balanceAfter }) => console.log('entry', sequence, change, 'balance', balanceAfter),
    })
  } catch (error) {
    console.error(sentenceOf(error))
    // At once: a client may still hold its connection open.
    process.exit(1)
  }
}

/** What went wrong. Clients reject with an error, or with the event that closed their socket. */
function sentenceOf(error: unknown): unknown {
  if (isForbidden(error)) return 'The server closed the socket with 4403: the token is invalid or has expired.'
  return error instanceof Error ? error.message : error
}

/** The token of the demo operator. */
function readToken(): string {
  try {
    return readFileSync(TOKEN_FILE, 'utf8').trim()
  } catch {
    throw new Error(
      `There is no token in ${TOKEN_FILE}. Run this in the folder where you ran \`npm start\`, or set THESAURUM_TOKEN to a token.`,
    )
  }
}

export const isMain = (url: string) =>
  process.argv[1] !== undefined && url.endsWith(process.argv[1].split('/').at(-1) ?? '')
