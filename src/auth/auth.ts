import type { Instant } from '../db/instant.ts'
import { type Database, databaseOf, openPool } from '../db/pool.ts'
import { type ApiToken, createApiToken, listApiTokens, type NewApiToken, revokeApiToken } from './api-tokens.ts'
import { Authenticator } from './authenticator.ts'
import { hashOfNobody } from './passwords.ts'
import { endSession, type SessionOptions } from './sessions.ts'
import { type SignIn, type SignInRequest, signIn } from './sign-in.ts'
import { THROTTLE, Throttle, type ThrottleOptions } from './throttle.ts'

export interface AuthOptions {
  url: string
  preparedStatements: boolean
  answerTimeoutMs: number
  sessions: SessionOptions
  throttle?: ThrottleOptions
  onTrouble: (error: unknown) => void
}

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
  const signIns = pool('thesaurum signing in', SIGN_INS_MAX)
  const database = databaseOf(signIns)
  const throttle = new Throttle(signIns, options.throttle ?? THROTTLE)
  const authenticator = new Authenticator(databaseOf(checkers), options.onTrouble)
  await hashOfNobody()
  return {
    authenticator,
    database,
    signIn: (request) => signIn(request, { database, throttle, sessions: options.sessions }),
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
      await Promise.all([checkers.end(), signIns.end()])
    },
  }
}
