import { expect, test } from 'vitest'
import { type Amount, readAmount, toAmount } from '../../src/db/amount.ts'
import { type AccountId, accountOfUser, type TransactionId, toAccountId, toTransactionId } from '../../src/db/ids.ts'
import { type Instant, toInstant } from '../../src/db/instant.ts'

/* The compiler reads this file too: it reports an expected error that is none. */

const UUID = '018f4e2a-7c1d-7000-8000-3b9d5f0c1e2a'

test('the compiler refuses what is not of the type that is asked for', () => {
  const takeAccount = (id: AccountId) => id
  const takeTransaction = (id: TransactionId) => id
  const takeInstant = (instant: Instant) => instant
  const takeAmount = (amount: Amount) => amount

  takeAccount(toAccountId(UUID))
  takeAccount(accountOfUser(UUID))
  // @ts-expect-error the id of a user, or any other text
  takeAccount(UUID)
  // @ts-expect-error the id of a transaction
  takeAccount(toTransactionId(UUID))

  takeTransaction(toTransactionId(UUID))
  // @ts-expect-error any other text
  takeTransaction(UUID)
  // @ts-expect-error the id of an account
  takeTransaction(toAccountId(UUID))

  takeInstant(toInstant('2026-01-31T23:59:59.000001Z'))
  // @ts-expect-error a text that nobody has read
  takeInstant('2026-01-31')

  takeAmount(toAmount(1n))
  // @ts-expect-error a bigint that may be anything
  takeAmount(1n)
  // @ts-expect-error the sum of two amounts is a plain bigint, until it is said to be an amount
  takeAmount(toAmount(1n) + toAmount(2n))
})

test('at run time they are the plain values', () => {
  expect([toAccountId(UUID), accountOfUser(UUID), toTransactionId(UUID), toInstant(UUID)]).toEqual(Array(4).fill(UUID))
  expect([toAmount(12n), readAmount('12')]).toEqual([12n, 12n])
})
