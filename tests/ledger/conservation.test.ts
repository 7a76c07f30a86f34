import { expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { transfer } from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'

const ACCOUNTS = 8
const CALLERS = 16
const EACH = 1_000n
const TOTAL = BigInt(ACCOUNTS) * EACH
const EACH_CALLS = 200

const { ledger, server } = useLedgerAndServer()

/** All accounts three ways: two lists, and a user each; what stands on one level is of one moment. */
const readAll = (accounts: string[]) => `query($ids: [ID!]!) {
  balances(accountIds: $ids) { amount }
  again: balances(accountIds: $ids) { amount }
  ${accounts.map((account, index) => `user${index}: account(id: "${account}") { balance { amount } }`).join('\n')}
}`
const TRANSFER = `mutation($input: TransferInput!) { transfer(input: $input) { __typename } }`

test('a bank at work: every read of all accounts sums to the total, and no balance is ever negative', async () => {
  const accounts = await makeAccounts(ledger, ACCOUNTS, EACH)
  const everything = readAll(accounts)
  const pick = <Value>(values: readonly Value[]) => values[Math.floor(Math.random() * values.length)] as Value
  const counts = { posted: 0, refused: 0, reads: 0, graphqlReads: 0 }
  const wrong: unknown[] = []
  const judge = (amounts: bigint[]) => {
    const sum = amounts.reduce((total, amount) => total + amount, 0n)
    if (sum !== TOTAL || amounts.some((amount) => amount < 0n)) wrong.push(amounts)
  }
  const amountsOf = (balances: { amount: string }[]) => balances.map(({ amount }) => BigInt(amount))

  const operations = {
    async read() {
      const balances = await ledger.balances.current(accounts)
      judge(balances.map(({ amount }) => amount))
      counts.reads++
    },
    async graphqlRead() {
      const { data, errors } = await server.ask(everything, { ids: accounts })
      if (errors) return wrong.push(errors)
      judge(amountsOf(data.balances))
      if (String(amountsOf(data.again)) !== String(amountsOf(data.balances))) wrong.push(data)
      judge(amountsOf(accounts.map((_account, index) => data[`user${index}`].balance)))
      counts.graphqlReads++
    },
    async transfer() {
      const outcome = await ledger.posting.post(transferOfSome())
      if ('posted' in outcome) counts.posted++
      else if (outcome.refusal.code === 'INSUFFICIENT_FUNDS') counts.refused++
      else wrong.push(outcome)
    },
    async graphqlTransfer() {
      const { idempotencyKey, sourceAccountId, destinationAccountId, amount } = transferOfSome()
      const { data, errors } = await server.ask(TRANSFER, {
        input: {
          idempotencyKey,
          sourceAccountId: sourceAccountId,
          destinationAccountId: destinationAccountId,
          amount: amount.toString(),
        },
      })
      const answer = data?.transfer?.__typename
      if (answer === 'TransferSuccess') counts.posted++
      else if (answer === 'InsufficientFundsError') counts.refused++
      else wrong.push(errors ?? answer)
    },
  }
  /** Often more than is there, and often between the same two. */
  const transferOfSome = () => {
    const source = Math.random() < 0.3 ? (accounts[0] as AccountId) : pick(accounts)
    const amount = BigInt(1 + Math.floor(Math.random() * 700))
    return transfer(source, pick(accounts.filter((account) => account !== source)), amount)
  }
  const reads = [operations.read, operations.graphqlRead]
  const writes = [operations.transfer, operations.graphqlTransfer]

  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let call = 0; call < EACH_CALLS && wrong.length === 0; call++) await pick(pick([reads, writes]))()
    }),
  )
  expect(wrong).toEqual([])
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(100)
  expect(await ledger.loadTotals()).toEqual({
    userCount: ACCOUNTS,
    accountCount: ACCOUNTS,
    transactionCount: ACCOUNTS + counts.posted,
    currencies: [{ currency: { code: 'USD', scale: 2 }, deposited: TOTAL, balances: TOTAL }],
  })
  expect(ledger.errors).toEqual([])
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})
