import type { Amount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'
import type { RefusalCode } from './refusal.ts'
import type { Sides } from './sides.ts'

/** Why an attempt failed. Attempts with an unknown outcome, and those that met a full queue, are not recorded. */
export type FailureCode = RefusalCode | 'RETRIES_EXHAUSTED' | 'INTERNAL_SERVER_ERROR'

/** An attempt that was definitely not posted. Its accounts need not exist. */
export interface FailedTransaction extends Sides {
  id: string
  idempotencyKey: string
  amount: Amount
  code: FailureCode
  message: string
  /** How often it was tried before it was given up. */
  attempts: number
  failedAt: Instant
  /** When it was marked as addressed; null: it was not. */
  addressedAt: Instant | null
}

export interface FailedTransactionFilter {
  /** As the source or the destination. */
  accountId?: AccountId | null | undefined
  /** Any code. One that no attempt fails with finds nothing. */
  code?: string | null | undefined
  addressed?: boolean | null | undefined
}

/** Which attempts: transfers from these accounts and, if asked for, their deposits and withdrawals. null: all attempts. */
export type Posters = { accountIds: readonly AccountId[]; withOutside: boolean } | null
