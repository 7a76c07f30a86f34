import type { Instant } from '../db/instant.ts'
import { type Database, databaseOf, openPool, type PoolUse, useOf } from '../db/pool.ts'
import { type ApiToken, createApiToken, listApiTokens, type NewApiToken, revokeApiToken } from './api-tokens.ts'
import { Authenticator } from './authenticator.ts'
import { HashQueueFullError, hashOfNobody } from './passwords.ts'
import { endSession, type SessionOptions } from './sessions.ts'
import { type SignIn, type SignInRequest, signIn } from './sign-in.ts'
import { THROTTLE, Throttle, type ThrottleOptions, TooManyAttemptsError } from './throttle.ts'

export interface AuthOptions {
  url: string
  preparedStatements: boolean
  answerTimeoutMs: number
  sessions: SessionOptions
  throttle?: ThrottleOptions
  onError: (error: unknown) => void
}

/** `throttled`: there were too many attempts. `overloaded`: too many passwords wait. `failed`: the database is away, or a fault. */
type SignInResult = 'succeeded' | 'refused' | 'throttled' | 'overloaded' | 'failed'

/** Who may come in, open on one database. It knows users and nothing of money. */
export interface Auth {
  authenticator: Authenticator
  /** @see signIn */
  signIn(request: SignInRequest): Promise<SignIn | undefined>
  /** @returns when the session ended; undefined when there is none. */
  signOut(token: string): Promise<Instant | undefined>
  createApiToken(values: NewApiToken): Promise<{ token: string; apiToken: ApiToken }>
  revokeApiToken(id: string): Promise<ApiToken | undefined>
  listApiTokens(): Promise<ApiToken[]>
  database: Database
  /** What became of attempts to sign in, since this process began. */
  signIns: Readonly<Record<SignInResult, number>>
  /** How much of each of its pools is in use. */
  poolUse(): (PoolUse & { name: string })[]
  close(): Promise<void>
}

/** Of tokens, which every request waits for: a storm of sign-ins must not stand before them. */
const CHECKERS_MAX = 2
const SIGN_INS_MAX = 2
const CONNECT_TIMEOUT_MS = 5_000
/** A database that hangs keeps nobody waiting for longer than one that is away. */
const CHECK_TIMEOUT_MS = 5_000

/** Opens it on a database that is migrated already. */
export async function openAuth({ url, preparedStatements, answerTimeoutMs, ...options }: AuthOptions): Promise<Auth> {
  // It may fail, so it comes before anything is opened.
  await hashOfNobody()
  const pool = (name: string, connectionsMax: number, timeoutMs = answerTimeoutMs) =>
    openPool({
      url,
      name,
      connectionsMax,
      preparedStatements,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      answerTimeoutMs: timeoutMs,
    })
  const checkers = pool('thesaurum checking tokens', CHECKERS_MAX, Math.min(answerTimeoutMs, CHECK_TIMEOUT_MS))
  const signers = pool('thesaurum signing in', SIGN_INS_MAX)
  const database = databaseOf(signers)
  const throttle = new Throttle(signers, options.throttle ?? THROTTLE)
  const authenticator = new Authenticator(databaseOf(checkers), options.onError)
  const signIns = { succeeded: 0, refused: 0, throttled: 0, overloaded: 0, failed: 0 }
  return {
    authenticator,
    database,
    signIns,
    signIn: (request) => counted(signIns, signIn(request, { database, throttle, sessions: options.sessions })),
    poolUse: () => [
      { name: 'checking tokens', ...useOf(checkers) },
      { name: 'signing in', ...useOf(signers) },
    ],
    async signOut(token) {
      const endedAt = await endSession(database, token)
      authenticator.forget(token)
      return endedAt
    },
    createApiToken: (values) => createApiToken(database, values),
    async revokeApiToken(id) {
      const revoked = await revokeApiToken(database, id)
      authenticator.forgetAll()
      return revoked
    },
    listApiTokens: () => listApiTokens(database),
    async close() {
      await authenticator.close()
      await Promise.all([checkers.end(), signers.end()])
    },
  }
}

async function counted(
  counts: Record<SignInResult, number>,
  signingIn: Promise<SignIn | undefined>,
): Promise<SignIn | undefined> {
  try {
    const session = await signingIn
    counts[session ? 'succeeded' : 'refused']++
    return session
  } catch (error) {
    if (error instanceof TooManyAttemptsError) counts.throttled++
    else if (error instanceof HashQueueFullError) counts.overloaded++
    else counts.failed++
    throw error
  }
}
