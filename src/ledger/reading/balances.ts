import type { AccountId } from '../../db/ids.ts'
import { jointStatement } from '../../db/joint-statement.ts'
import type { Database } from '../../db/pool.ts'
import { type AccountBalance, type AccountMoment, FutureMomentError } from '../model/balance.ts'
import { readBalancesAsOf } from '../statements/read-balances-as-of.ts'
import { readHeads } from '../statements/read-heads.ts'
import type { CheckpointGap } from '../upkeep/checkpoints.ts'
import type { Settling } from './settling.ts'

/** Reads balances. Accounts are not checked to exist: one without entries has a balance of 0. */
export class Balances {
  readonly #settling: Settling
  readonly #readHeads: (accountIds: readonly AccountId[]) => Promise<AccountBalance[]>
  readonly #sumAt: (moments: readonly AccountMoment[]) => Promise<(AccountBalance & { final: boolean })[]>

  /** @param onGap called with each gap between checkpoints that was summed up. */
  constructor(database: Database, settling: Settling, onGap: (gap: CheckpointGap) => void) {
    this.#settling = settling
    this.#readHeads = jointStatement(async (accountIds) => {
      const rows = await readHeads(database).execute({ ids: [...new Set(accountIds)] })
      const balances = new Map<AccountId, AccountBalance>()
      for (const { accountId, balance, checkpointSequence, lastSequence, createdAt } of rows) {
        onGap({ accountId, low: checkpointSequence, high: lastSequence })
        balances.set(accountId, { accountId, amount: balance, sequence: lastSequence, asOf: createdAt })
      }
      return accountIds.map((id) => balances.get(id) as AccountBalance)
    })
    this.#sumAt = jointStatement(async (moments) => {
      const rows = await readBalancesAsOf(database).execute({
        ids: moments.map(({ accountId }) => accountId),
        moments: moments.map(({ asOf }) => asOf),
      })
      return moments.map(({ accountId, asOf }, index) => {
        const { balance, sequence, final, low, high } = rows[index] as (typeof rows)[number]
        onGap({ accountId, low, high })
        return { accountId, amount: balance, sequence, asOf, final }
      })
    })
  }

  /** Balances now, in the order of the ids. They are of one moment: one statement reads them all. */
  current(accountIds: readonly AccountId[]): Promise<AccountBalance[]> {
    return this.#readHeads(accountIds)
  }

  /**
   * Balances at past moments, in the order of the requests. The answer does not move: it waits for what is in flight at
   * the moment.
   *
   * @returns for each request its balance or a FutureMomentError.
   * @throws PostgreSQL's own error (55P03: try again) when postings in flight did not end in time.
   */
  async asOf(moments: readonly AccountMoment[]): Promise<(AccountBalance | FutureMomentError)[]> {
    const answers = await this.#settling.settle(moments, this.#sumAt, { isCheap: true })
    return answers.map((answer) => {
      if (answer instanceof FutureMomentError) return answer
      const { final: _, ...balance } = answer
      return balance
    })
  }

  /** The number of the last entry at or before each moment (0: none), as it is now. What is in flight may add to it. */
  async positionsAt(moments: readonly AccountMoment[]): Promise<number[]> {
    return (await this.#sumAt(moments)).map(({ sequence }) => sequence)
  }
}
