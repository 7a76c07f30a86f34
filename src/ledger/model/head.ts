import type { Amount } from '../../db/amount.ts'
import type { AccountId, TransactionId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'

/** The head of an account: its last entry. An account without entries is at sequence 0. */
export interface Head {
  sequence: number
  balance: Amount
  createdAt: Instant | null
}

/** An account's last entry, and how many entries follow its last checkpoint. */
export interface Tail extends Head {
  accountId: AccountId
  createdAt: Instant
  transactionId: TransactionId
  length: number
}
