import type { Amount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import type { LedgerTransaction } from './transaction.ts'

/** The parts of a posting that two postings with one key must have in common. */
export type PayloadField = 'kind' | 'sourceAccountId' | 'destinationAccountId' | 'amount'

/** A rule refused a posting: nothing was written, and the key is still free, unless the refusal is a conflict of keys. */
export type Refusal =
  | { code: 'IDEMPOTENCY_CONFLICT'; differingFields: PayloadField[]; transaction: LedgerTransaction }
  | { code: 'SAME_USER'; accountId: AccountId }
  | { code: 'USER_NOT_FOUND'; accountId: AccountId }
  | { code: 'INSUFFICIENT_FUNDS'; available: Amount; required: Amount; shortfall: Amount }
  | { code: 'BALANCE_LIMIT'; accountId: AccountId }

export type RefusalCode = Refusal['code']

/** For people, and for the record of failed attempts. They never repeat what was sent. */
export const REFUSAL_MESSAGES: Readonly<Record<RefusalCode, string>> = {
  IDEMPOTENCY_CONFLICT:
    'This idempotency key was already used with a different payload. Use a new key for a new payload.',
  SAME_USER: 'Source and destination must be different users.',
  USER_NOT_FOUND: 'There is no such user. Check the id.',
  INSUFFICIENT_FUNDS:
    'The balance of the source is less than the amount. Nothing was posted, and the key can be used again.',
  BALANCE_LIMIT: 'The balance of the destination would exceed the maximum of 2^63-1 cents. Post a smaller amount.',
}
