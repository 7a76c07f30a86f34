import { expect, test } from 'vitest'
import type { AccountStatus } from '../../src/ledger/model/account.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, transfer } from '../support/faults.ts'
import { type MixedAccount, makeMixedAccounts } from '../support/ledger.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'

const CALLERS = 16
const EACH = 1_000n
const EACH_CALLS = 150
/** Most of the time most accounts are open. */
const STATUSES: readonly AccountStatus[] = ['OPEN', 'OPEN', 'OPEN', 'OPEN', 'FROZEN', 'CLOSED']

const { ledger, server } = useLedgerAndServer()

/** All accounts three ways: two lists, and each account by itself; what is on one level is of one moment. */
const readAll = (ids: string[]) => `query($ids: [ID!]!) {
  balances(accountIds: $ids) { amount }
  again: balances(accountIds: $ids) { amount }
  ${ids.map((id, index) => `account${index}: account(id: "${id}") { balance { amount } }`).join('\n')}
}`
const TRANSFER = `mutation($input: TransferInput!) { transfer(input: $input) { __typename ... on Error { code } } }`

test('a bank at work: in every read each currency sums to its total, and no balance is ever negative', async () => {
  const accounts = [...(await makeMixedAccounts(ledger)), ...(await makeMixedAccounts(ledger))]
  const ids = accounts.map(({ id }) => id)
  await Promise.all(ids.map((id) => ledger.posting.post(deposit(id, EACH))))
  const totals = new Map<string, bigint>()
  for (const { currency } of accounts) totals.set(currency, (totals.get(currency) ?? 0n) + EACH)
  const everything = readAll(ids)
  const pick = <Value>(values: readonly Value[]) => values[Math.floor(Math.random() * values.length)] as Value
  /** How often each outcome came: of postings, of changes of the status, and of reads. */
  const counts = new Map<string, number>()
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
  const wrong: unknown[] = []
  const judge = (amounts: bigint[]) => {
    const sums = new Map<string, bigint>()
    for (const [index, { currency }] of accounts.entries())
      sums.set(currency, (sums.get(currency) ?? 0n) + (amounts[index] as bigint))
    const isWrong = [...totals].some(([currency, total]) => sums.get(currency) !== total)
    if (isWrong || amounts.some((amount) => amount < 0n)) wrong.push(amounts)
  }
  const amountsOf = (balances: { amount: string }[]) => balances.map(({ amount }) => BigInt(amount))

  const operations = {
    async read() {
      const balances = await ledger.balances.current(ids)
      judge(balances.map(({ amount }) => amount))
      count('read')
    },
    async graphqlRead() {
      const { data, errors } = await server.ask(everything, { ids })
      if (errors) return wrong.push(errors)
      judge(amountsOf(data.balances))
      if (String(amountsOf(data.again)) !== String(amountsOf(data.balances))) wrong.push(data)
      judge(amountsOf(accounts.map((_account, index) => data[`account${index}`].balance)))
      count('graphqlRead')
    },
    async transfer() {
      const outcome = await ledger.posting.post(transferOfSome())
      count('posted' in outcome ? 'posted' : outcome.refusal.code)
    },
    async graphqlTransfer() {
      const { amount, ...input } = transferOfSome()
      const { data, errors } = await server.ask(TRANSFER, { input: { ...input, amount: amount.toString() } })
      const answer = data?.transfer
      if (!answer) return wrong.push(errors)
      count(answer.__typename === 'TransferSuccess' ? 'posted' : answer.code)
    },
    async setStatus() {
      const status = pick(STATUSES)
      const account = pick(accounts)
      if (status === 'CLOSED') await empty(account)
      const changed = await ledger.accounts.setStatus(account.id, status)
      count('account' in changed ? status : changed.refusal)
    },
  }
  /** Often more than is there, often between the same two, and now and then between two currencies. */
  const transferOfSome = () => {
    const source = Math.random() < 0.3 ? (accounts[0] as MixedAccount) : pick(accounts)
    const isMixed = Math.random() < 0.1
    const others = accounts.filter(({ id, currency }) => id !== source.id && (isMixed || currency === source.currency))
    const amount = BigInt(1 + Math.floor(Math.random() * 700))
    return { ...transfer(source.id, pick(others).id, amount), ignoreFreeze: Math.random() < 0.2 }
  }
  /** Pays out all that is there. More may come before it is closed. */
  const empty = async ({ id, currency }: MixedAccount) => {
    const [balance] = await ledger.balances.current([id])
    if (!balance?.amount) return
    const others = accounts.filter((other) => other.id !== id && other.currency === currency)
    const outcome = await ledger.posting.post({ ...transfer(id, pick(others).id, balance.amount), ignoreFreeze: true })
    count('posted' in outcome ? 'posted' : outcome.refusal.code)
  }
  const { read, graphqlRead, transfer: transferOne, graphqlTransfer, setStatus } = operations
  const kinds = [read, graphqlRead, transferOne, graphqlTransfer, transferOne, graphqlTransfer, setStatus]

  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let call = 0; call < EACH_CALLS && wrong.length === 0; call++) await pick(kinds)()
    }),
  )
  expect(wrong).toEqual([])
  const outcomes = ['posted', 'INSUFFICIENT_FUNDS', 'ACCOUNT_FROZEN', 'ACCOUNT_CLOSED', 'CURRENCY_MISMATCH']
  const changes = ['OPEN', 'FROZEN', 'CLOSED', 'ACCOUNT_NOT_EMPTY']
  expect([...counts.keys()].toSorted()).toEqual([...outcomes, ...changes, 'read', 'graphqlRead'].toSorted())
  for (const what of ['posted', 'read', 'graphqlRead']) expect(counts.get(what)).toBeGreaterThan(100)
  const totalOf = (code: string, scale: number) => {
    const total = totals.get(code)
    return { currency: { code, scale }, deposited: total, withdrawn: 0n, balances: total }
  }
  expect(await ledger.loadTotals()).toEqual({
    userCount: 4,
    accountCount: accounts.length,
    transactionCount: accounts.length + (counts.get('posted') ?? 0),
    currencies: [totalOf('EUR', 2), totalOf('USD', 2)],
  })
  expect(ledger.errors).toEqual([])
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})
