import type { ConnectionShares } from '../db/connection-shares.ts'
import type { Instant } from '../db/instant.ts'
import { databaseOf, openPool, type PoolUse, useOf } from '../db/pool.ts'
import { checkAddresses } from './address-check.ts'
import { createApiToken, listApiTokens, revokeApiToken } from './api-tokens.ts'
import { Authenticator } from './authenticator.ts'
import { changePassword, type PasswordChange } from './change-password.ts'
import type { AddressFinding } from './model/address-finding.ts'
import type { ApiToken, NewApiToken } from './model/api-token.ts'
import { HashQueueFullError, TooManyAttemptsError } from './model/sign-in-errors.ts'
import type { UserChange, UserChangeRefusal } from './model/user-change.ts'
import { endDemoSessions, makeOperator, openDemoSession } from './operators.ts'
import { hashOfNobody, hashPassword } from './passwords.ts'
import { endSession, type Session, type SessionOptions } from './sessions.ts'
import { type SignIn, type SignInRequest, signIn } from './sign-in.ts'
import { THROTTLE, Throttle, type ThrottleOptions } from './throttle.ts'
import { setPassword, updateUser } from './user-changes.ts'

export interface AuthOptions {
  url: string
  connections: ConnectionShares
  preparedStatements: boolean
  answerTimeoutMs: number
  sessions: SessionOptions
  throttle?: ThrottleOptions
  onError: (error: unknown) => void
}

/** `throttled`: too many attempts. `overloaded`: too many passwords wait. `failed`: the database is away, or a fault. */
type SignInResult = 'succeeded' | 'refused' | 'throttled' | 'overloaded' | 'failed'

/**
 * Who may come in, open on one database. It knows users and nothing of money. It is the only door: everything outside asks
 * this object, and nobody gets the database.
 */
export interface Auth {
  authenticator: Authenticator
  /** @see signIn */
  signIn(request: SignInRequest): Promise<SignIn | undefined>
  /** @returns when the session ended; undefined when there is none. */
  signOut(token: string): Promise<Instant | undefined>
  /**
   * For the password of a new user.
   *
   * @throws {HashQueueFullError}
   */
  hashPassword(password: string): Promise<string>
  apiTokens: {
    /** @returns the token, which is shown only once, and what is known of it. */
    create(values: NewApiToken): Promise<{ token: string; apiToken: ApiToken }>
    /** @see revokeApiToken */
    revoke(id: string): Promise<ApiToken | undefined>
    /** Those that are not revoked, newest first. */
    list(): Promise<ApiToken[]>
  }
  /** @see changePassword */
  changePassword(change: PasswordChange): Promise<boolean>
  users: {
    /** @see updateUser */
    update(userId: string, change: UserChange): Promise<UserChangeRefusal | undefined>
    /** @see setPassword */
    setPassword(userId: string, password: string): Promise<boolean>
  }
  operators: {
    /** @see makeOperator */
    make(email: string): Promise<{ password: string; userId: string }>
    /** For development: the demo operator has no password. */
    openDemoSession(options: SessionOptions): Promise<Session>
    endDemoSessions(): Promise<void>
  }
  /** Finds users whose e-mail addresses are not in their canonical form. */
  checkAddresses(): Promise<AddressFinding[]>
  /** What became of attempts to sign in, since this process began. */
  signIns: Readonly<Record<SignInResult, number>>
  /** How much of each of its pools is in use. */
  poolUse(): (PoolUse & { name: string })[]
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
/** Callers wait no longer for a database that hangs than for one that is away. */
const CHECK_TIMEOUT_MS = 5_000

/** Opens it on a database that is migrated already. */
export async function openAuth(options: AuthOptions): Promise<Auth> {
  const { url, connections, preparedStatements, answerTimeoutMs } = options
  // This may fail, so it is done before anything is opened.
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
  // Every request waits for a check of its token, so many sign-ins must not delay it.
  const checkers = pool('thesaurum checking tokens', connections.checking, Math.min(answerTimeoutMs, CHECK_TIMEOUT_MS))
  const signers = pool('thesaurum signing in', connections.signingIn)
  const database = databaseOf(signers)
  const throttle = new Throttle(signers, options.throttle ?? THROTTLE)
  const authenticator = new Authenticator(databaseOf(checkers), options.onError)
  const limits = {
    lockTimeoutMs: answerTimeoutMs,
    statementTimeoutMs: answerTimeoutMs,
    idleTimeoutMs: answerTimeoutMs,
  }
  const changesOn = { pool: signers, limits }
  /** Waits for a change that ends sessions or tokens, and forgets what was known of all. */
  const thenForgetting = async <Result>(changing: Promise<Result>) => {
    const result = await changing
    authenticator.forgetAll()
    return result
  }
  const signIns = { succeeded: 0, refused: 0, throttled: 0, overloaded: 0, failed: 0 }
  return {
    authenticator,
    signIn: (request) => counted(signIns, signIn(request, { database, throttle, sessions: options.sessions })),
    async signOut(token) {
      const endedAt = await endSession(database, token)
      authenticator.forget(token)
      return endedAt
    },
    hashPassword,
    changePassword: (change) => thenForgetting(changePassword(change, { ...changesOn, throttle })),
    users: {
      update: (userId, change) => thenForgetting(updateUser(changesOn, userId, change)),
      setPassword: (userId, password) => thenForgetting(setPassword(changesOn, userId, password)),
    },
    apiTokens: {
      create: (values) => createApiToken(database, values),
      revoke: (id) => thenForgetting(revokeApiToken(database, id)),
      list: () => listApiTokens(database),
    },
    operators: {
      make: (email) => makeOperator(database, email),
      openDemoSession: (options) => openDemoSession(database, options),
      endDemoSessions: () => endDemoSessions(database),
    },
    checkAddresses: () => checkAddresses(database),
    signIns,
    poolUse: () => [
      { name: 'checking tokens', ...useOf(checkers) },
      { name: 'signing in', ...useOf(signers) },
    ],
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
