import { createHash } from 'node:crypto'
import type pg from 'pg'
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import { networkOf } from './model/network.ts'
import { TooManyAttemptsError } from './model/sign-in-errors.ts'

export interface ThrottleOptions {
  /** Sign-ins that fail within `windowMs`: of one client for one account, for all accounts, and of all clients for one. */
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

/** How long a client is known by which somebody has signed in. */
const KNOWN_MS = 90 * 24 * 3_600_000

/** An attempt that counts, unless it is taken back or succeeds. */
export interface Attempt {
  /** The password was not looked at. */
  takeBack(): Promise<void>
  /** The password was right: what failed before it counts no more for this client, which is known for the account from now on. */
  succeed(): Promise<void>
}

/**
 * Counts attempts to sign in, in the database: a restart forgets none, and all processes count together. An attempt counts
 * before its password is looked at, so that no number of them at once gets past.
 *
 * Whoever guesses at one account from many places shuts it to places that it does not know. Its owner goes on signing in
 * from where they have signed in before: nobody can lock them out from there.
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
        // A storm of attempts that are refused anyhow is kept from the database.
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
      // Refused by one, it was not looked at: it does not count for the others either.
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
    // Only what was looked at counts. What this process remembers to refuse was not even counted.
    if (refusal.consumedPoints > 0) await limit.reward(key)
    throw new TooManyAttemptsError(refusal.msBeforeNext)
  }
}

/** Takes one back. There is room again, whatever this process remembers to refuse: a hundred right passwords at once shut nobody out. */
async function reward(limit: RateLimiterPostgres, key: string): Promise<void> {
  await limit.reward(key)
  limit.deleteInMemoryBlockedAll()
}

/** Addresses are hashed: what was tried is nobody's business. */
function keysOf(email: string, client: string) {
  const account = createHash('sha256').update(email).digest('base64url')
  const network = networkOf(client)
  return { account, client: network, pair: `${account} ${network}` }
}
