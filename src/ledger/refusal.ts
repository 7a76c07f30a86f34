import type { Cents } from './money.ts'
import type { LedgerTransaction } from './transaction.ts'

/** What a posting asks for; two postings with one key must agree in all of these. */
export type PayloadField = 'kind' | 'sourceUserId' | 'destinationUserId' | 'amount'

/** A rule said no: nothing was written, and the key is still free (but for a conflict, where it was taken before). */
export type Refusal =
  | { code: 'IDEMPOTENCY_CONFLICT'; differingFields: PayloadField[]; transaction: LedgerTransaction }
  | { code: 'SAME_USER'; userId: string }
  | { code: 'USER_NOT_FOUND'; userId: string }
  | { code: 'INSUFFICIENT_FUNDS'; available: Cents; required: Cents; shortfall: Cents }
  | { code: 'BALANCE_LIMIT'; userId: string }
