import { createHash } from 'node:crypto'
import type pg from 'pg'
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import { networkOf } from './model/network.ts'
import { TooManyAttemptsError } from './model/sign-in-errors.ts'

export interface ThrottleOptions {
  /** Sign-ins that fail within `windowMs`: of one client for one user, for all users, and of all clients for one. */
  attemptsMax: number
  clientAttemptsMax: number
  accountAttemptsMax: number
  windowMs: number
}

export const THROTTLE: ThrottleOptions = {
  attemptsMax: 10,
  clientAttemptsMax: 100,
  accountAttemptsMax: 50,
  windowMs: 15 * 60_000,
}

/** How long a client is remembered from which a user has signed in. */
const KNOWN_MS = 90 * 24 * 3_600_000

/** An attempt that counts, unless it is taken back or succeeds. */
export interface Attempt {
  /** The password was not checked. */
  takeBack(): Promise<void>
  /** The password was right. Earlier failures of this client no longer count, and it is one of the user's from now on. */
  succeed(): Promise<void>
}

/**
 * Counts attempts to sign in, in the database: a restart keeps the counts, and all processes count together. An attempt
 * counts before its password is checked, so that many at once cannot pass the limit.
 *
 * Whoever guesses the password of a user from many networks locks that user out of networks from which they have not signed
 * in. The user can still sign in from networks where they have signed in before: nobody can lock them out there.
 */
export class Throttle {
  readonly #limits: Record<'attempts' | 'client' | 'account' | 'known', RateLimiterPostgres>

  constructor(pool: pg.Pool, options: ThrottleOptions) {
    const limit = (keyPrefix: string, points: number, durationMs: number) =>
      new RateLimiterPostgres({
        storeClient: pool,
        storeType: 'pool',
        schemaName: 'private',
        tableName: 'sign_in_limits',
        tableCreated: true,
        // The cleaner deletes what has expired (auth/model/retention.ts).
        clearExpiredByTimeout: false,
        keyPrefix,
        points,
        duration: durationMs / 1_000,
        // Attempts that would be refused anyway do not reach the database.
        inMemoryBlockOnConsumed: points + 1,
      })
    this.#limits = {
      attempts: limit('attempts', options.attemptsMax, options.windowMs),
      client: limit('client', options.clientAttemptsMax, options.windowMs),
      account: limit('account', options.accountAttemptsMax, options.windowMs),
      known: limit('known', 1, KNOWN_MS),
    }
  }

  /**
   * Counts an attempt.
   *
   * @param email in its canonical form, whether there is such a user or not.
   * @param client the address that asks.
   * @throws {TooManyAttemptsError} saying when to try again.
   */
  async count(email: string, client: string): Promise<Attempt> {
    const { attempts, account, known } = this.#limits
    const keys = keysOf(email, client)
    const isKnown = (await known.get(keys.pair)) !== null
    const counted: [RateLimiterPostgres, string][] = []
    try {
      for (const [limit, key] of [
        [this.#limits.client, keys.client],
        [attempts, keys.pair],
        ...(isKnown ? [] : ([[account, keys.account]] as const)),
      ] as const) {
        await consume(limit, key)
        counted.push([limit, key])
      }
    } catch (error) {
      // One limit refused it, so the password is not checked, and it does not count for the other limits.
      for (const [limit, key] of counted) await reward(limit, key)
      throw error
    }
    const release = async () => {
      await reward(this.#limits.client, keys.client)
      if (!isKnown) await reward(account, keys.account)
    }
    return {
      async takeBack() {
        await reward(attempts, keys.pair)
        await release()
      },
      async succeed() {
        await known.set(keys.pair, 1, KNOWN_MS / 1_000)
        await attempts.delete(keys.pair)
        await release()
      },
    }
  }
}

async function consume(limit: RateLimiterPostgres, key: string): Promise<void> {
  try {
    await limit.consume(key)
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal
    // Only attempts whose password is checked count. One that this process refuses from memory was not counted at all.
    if (refusal.consumedPoints > 0) await limit.reward(key)
    throw new TooManyAttemptsError(refusal.msBeforeNext)
  }
}

/** Takes one back. This process then forgets what it refuses from memory, so that a hundred right passwords at once all pass. */
async function reward(limit: RateLimiterPostgres, key: string): Promise<void> {
  await limit.reward(key)
  limit.deleteInMemoryBlockedAll()
}

/** Addresses are hashed, so that the table does not show who tried to sign in. */
function keysOf(email: string, client: string) {
  const account = createHash('sha256').update(email).digest('base64url')
  const network = networkOf(client)
  return { account, client: network, pair: `${account} ${network}` }
}
