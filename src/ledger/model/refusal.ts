import type { Amount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import type { LedgerTransaction } from './transaction.ts'

/** The parts of a posting that two postings with one key must have in common. */
export type PayloadField =
  | 'kind'
  | 'sourceAccountId'
  | 'destinationAccountId'
  | 'amount'
  | 'currency'
  | 'reverses'
  | 'description'
  | `metadata.${string}`

/** A rule refused a posting: nothing was written, and the key is still free, unless the refusal is a conflict of keys. */
export type Refusal =
  | { code: 'IDEMPOTENCY_CONFLICT'; differingFields: PayloadField[]; transaction: LedgerTransaction }
  | { code: 'SAME_ACCOUNT'; accountId: AccountId }
  | { code: 'ACCOUNT_NOT_FOUND'; accountId: AccountId }
  | { code: 'ACCOUNT_CLOSED'; accountId: AccountId }
  | { code: 'ACCOUNT_FROZEN'; accountId: AccountId }
  | { code: 'CURRENCY_MISMATCH' }
  | { code: 'REVERSAL_EXCEEDS'; remaining: Amount }
  | { code: 'INSUFFICIENT_FUNDS'; accountId: AccountId; available: Amount; required: Amount; shortfall: Amount }
  | { code: 'BALANCE_LIMIT'; accountId: AccountId }

export type RefusalCode = Refusal['code']

/** For people, and for the record of failed attempts. They never repeat what was sent. */
export const REFUSAL_MESSAGES: Readonly<Record<RefusalCode, string>> = {
  IDEMPOTENCY_CONFLICT:
    'This idempotency key was already used with a different payload. Use a new key for a new payload.',
  SAME_ACCOUNT: 'Source and destination must be different accounts.',
  ACCOUNT_NOT_FOUND: 'There is no such account. Check the id.',
  ACCOUNT_CLOSED: 'The account is closed, so no money moves in or out of it. An operator can open it.',
  ACCOUNT_FROZEN: 'The account is frozen, so no money moves out of it. An operator can open it.',
  CURRENCY_MISMATCH:
    'The accounts have different currencies, or not the one that the input names. To exchange money, make two transfers.',
  REVERSAL_EXCEEDS: 'The reversals of the transaction would exceed its amount. Reverse at most what remains.',
  INSUFFICIENT_FUNDS:
    'The balance of the source is less than the amount. Nothing was posted, and the key can be used again.',
  BALANCE_LIMIT:
    'The balance of the destination would exceed the maximum of 2^63-1 minor units. Post a smaller amount.',
}
