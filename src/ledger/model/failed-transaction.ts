import type { Instant } from '../../db/instant.ts'
import type { Cents } from './money.ts'
import type { RefusalCode } from './refusal.ts'

/** Why: a refusal, or what an operator should look into. An unknown outcome is none, nor is a queue that was full. */
export type FailureCode = RefusalCode | 'RETRIES_EXHAUSTED' | 'INTERNAL_SERVER_ERROR'

/** An attempt that was definitely not posted. Its users need not exist. */
export interface FailedTransaction {
  id: string
  idempotencyKey: string
  /** null: a deposit. */
  sourceUserId: string | null
  destinationUserId: string
  amount: Cents
  code: FailureCode
  message: string
  /** How often it was tried before it was given up. */
  attempts: number
  failedAt: Instant
  /** When it was marked as addressed. Null: it is not. */
  addressedAt: Instant | null
}

export interface FailedTransactionFilter {
  /** As the source or the destination. */
  userId?: string | null | undefined
  code?: FailureCode | null | undefined
  addressed?: boolean | null | undefined
}

/** Whose attempts: those that would have been paid from these accounts, and perhaps deposits to them. null: everybody's. */
export type Posters = { accountIds: readonly string[]; withDeposits: boolean } | null
