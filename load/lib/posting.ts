import { check } from 'k6'
import type { Account } from './accounts.ts'
import { randomBelow } from './accounts.ts'
import { ask } from './ledger-api.ts'
import { failed, refusals, replays } from './metrics.ts'

const TRANSFER = `mutation Transfer($input: TransferInput!) {
  transfer(input: $input) {
    __typename
    ... on TransferSuccess { replayed transaction { id amount } entry { change balanceAfter } }
    ... on InsufficientFundsError { available required shortfall }
    ... on Error { code message }
  }
}`

const DEPOSIT = `mutation Deposit($input: DepositInput!) {
  deposit(input: $input) {
    __typename
    ... on DepositSuccess { replayed transaction { id } entry { change } }
    ... on Error { code message }
  }
}`

/** How many of a hundred successes are sent again. */
const REPEATED_PERCENT = 3
/** More than all accounts of a suite hold together. */
const MORE_THAN_ANYBODY_HAS = 1_000_000_000_000_000

/** One transfer, now and then sent again with its key. A refusal for want of funds is an answer like another. */
export function transfer(source: Account, destination: Account, amount: number): void {
  const input = {
    idempotencyKey: crypto.randomUUID(),
    sourceAccountId: source.id,
    destinationAccountId: destination.id,
    amount,
  }
  const outcome = ask('transfer', TRANSFER, { input })?.transfer
  if (!outcome) return
  if (outcome.__typename === 'InsufficientFundsError') {
    refusals.add(1)
    check(outcome, {
      'a refusal says what is missing': ({ available, required, shortfall }) =>
        required === String(amount) && Number(available) + Number(shortfall) === amount && Number(available) < amount,
    })
    return
  }
  if (outcome.__typename !== 'TransferSuccess') {
    failed(`transfer: ${outcome.code} ${outcome.message}`)
    return
  }
  check(outcome, {
    'a transfer takes its amount, once, and leaves no debt': ({ entry, transaction, replayed }) =>
      entry.change === `-${amount}` &&
      transaction.amount === String(amount) &&
      !entry.balanceAfter.startsWith('-') &&
      !replayed &&
      amount < MORE_THAN_ANYBODY_HAS,
  })
  if (randomBelow(100) >= REPEATED_PERCENT) return
  const again = ask('transfer', TRANSFER, { input })?.transfer
  replays.add(1)
  check(again, {
    'a repeated key answers with the first transaction': (answer) =>
      answer?.replayed === true && answer.transaction.id === outcome.transaction.id,
  })
}

/** Asks for what nobody has. */
export function transferTooMuch(source: Account, destination: Account): void {
  transfer(source, destination, MORE_THAN_ANYBODY_HAS)
}

export function deposit({ id }: Account, amount: number): void {
  const input = { idempotencyKey: crypto.randomUUID(), accountId: id, amount }
  const outcome = ask('deposit', DEPOSIT, { input })?.deposit
  if (!outcome) return
  if (outcome.__typename !== 'DepositSuccess') {
    failed(`deposit: ${outcome.code} ${outcome.message}`)
    return
  }
  check(outcome, {
    'a deposit brings its amount, once': ({ entry, replayed }) => entry.change === String(amount) && !replayed,
  })
}
