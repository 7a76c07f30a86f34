import type { AccountId } from '../../db/ids.ts'
export type FindingCode =
  | 'ROW_INVALID'
  | 'ACCOUNT_UNKNOWN'
  | 'CURRENCY_MISMATCH'
  | 'REVERSAL_WRONG'
  | 'BALANCE_TOO_LARGE'
  | 'SEQUENCE_BROKEN'
  | 'TIME_NOT_RISING'
  | 'BALANCE_NEGATIVE'
  | 'CHECKPOINT_WRONG'
  | 'SERVED_BALANCE_WRONG'
  | 'SERVED_HEAD_WRONG'
  | 'FUNCTION_WRONG'

/** One thing that is wrong, and where. */
export interface Finding {
  code: FindingCode
  accountId: AccountId
  /** The number of the entry; null: the account as a whole. */
  sequence: number | null
  message: string
}
