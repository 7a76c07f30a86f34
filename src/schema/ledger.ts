import { FEED_CURSOR } from '../ledger/model/cursor.ts'
import type { Finding } from '../ledger/model/finding.ts'
import type { LedgerTotals, CurrencyTotals as TotalsOfCurrency } from '../ledger/model/totals.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { CURRENCIES_COST, Currency } from './currency.ts'
import { feedError } from './transaction-posted.ts'

const FindingCode = builder.enumType('FindingCode', {
  description: 'A way in which a ledger can be wrong.',
  values: {
    ROW_INVALID: {
      description: 'A transaction that no rule allows: no amount, no account, or one account on both sides.',
    },
    ACCOUNT_UNKNOWN: { description: 'An account has entries, but does not exist.' },
    BALANCE_TOO_LARGE: { description: 'A running balance is past 2^63-1 minor units.' },
    SEQUENCE_BROKEN: { description: 'The entries of an account are not numbered 1, 2, 3 …' },
    TIME_NOT_RISING: { description: 'An entry is not later than the one before it.' },
    BALANCE_NEGATIVE: { description: 'A running balance is below zero.' },
    CHECKPOINT_WRONG: { description: 'A checkpoint is not the sum of the entries up to it.' },
    SERVED_BALANCE_WRONG: { description: 'A balance that is served is not the sum of its entries.' },
    SERVED_HEAD_WRONG: { description: 'An account is served with another number of entries than it has.' },
    REVERSAL_WRONG: {
      description: 'A reversal that takes back more than there was, is between other accounts, or reverses a reversal.',
    },
    CURRENCY_MISMATCH: { description: 'A transaction between accounts of different currencies.' },
    FUNCTION_WRONG: { description: 'An SQL function returns something else than the sum of the entries.' },
  } as const,
})

const LedgerFinding = builder.objectRef<Finding>('LedgerFinding').implement({
  description: 'One thing that is wrong with the ledger, and where.',
  fields: (t) => ({
    code: t.expose('code', { type: FindingCode, description: 'In which way.' }),
    account: t.field({
      type: Account,
      nullable: true,
      description: 'In which account.',
      resolve: ({ accountId }) => ({ id: accountId }),
    }),
    sequence: t.expose('sequence', {
      type: 'Sequence',
      nullable: true,
      description: 'At which entry; null: the account as a whole.',
    }),
    message: t.exposeString('message', { description: 'What was found, and what was expected.' }),
  }),
})

const LedgerVerification = builder.objectRef<Finding[]>('LedgerVerification').implement({
  description: 'The ledger recomputed from its transactions alone, and compared with all that is served.',
  fields: (t) => ({
    sound: t.boolean({
      description: 'True when nothing is wrong.',
      resolve: (findings) => findings.length === 0,
    }),
    findings: t.field({
      type: [LedgerFinding],
      description: 'What is wrong: about the first hundred of each kind.',
      resolve: (findings) => findings,
    }),
  }),
})

const CurrencyTotals = builder.objectRef<TotalsOfCurrency>('CurrencyTotals').implement({
  description: 'Sums over all accounts of one currency.',
  fields: (t) => ({
    currency: t.expose('currency', { type: Currency, description: 'What the sums are counted in.' }),
    deposited: t.expose('deposited', {
      type: 'Amount',
      description: 'All the money that came in from the world outside, reversed withdrawals included.',
    }),
    withdrawn: t.expose('withdrawn', {
      type: 'Amount',
      description: 'All the money that left for the world outside, reversed deposits included.',
    }),
    balances: t.expose('balances', {
      type: 'Amount',
      description:
        'The sum of all balances as they are served. Money is conserved: it equals `deposited` less `withdrawn`, always.',
    }),
  }),
})

/** Read when the first of them is asked for, and once. */
interface Totals {
  totals(): Promise<LedgerTotals>
}

const Ledger = builder.objectRef<Totals>('Ledger').implement({
  description:
    'The ledger as a whole. Its sums are of one moment, and read every transaction: for operators and checks.',
  fields: (t) => ({
    userCount: t.field({
      type: 'Sequence',
      description: 'How many users there are.',
      resolve: async ({ totals }) => (await totals()).userCount,
    }),
    transactionCount: t.field({
      type: 'Sequence',
      description: 'How many transactions there are.',
      resolve: async ({ totals }) => (await totals()).transactionCount,
    }),
    accountCount: t.field({
      type: 'Sequence',
      description: 'How many accounts there are.',
      resolve: async ({ totals }) => (await totals()).accountCount,
    }),
    totals: t.field({
      type: [CurrencyTotals],
      nullable: { list: true, items: false },
      complexity: { field: 1, multiplier: CURRENCIES_COST },
      description: 'Sums for each currency in which there are accounts, ordered by its code.',
      resolve: async ({ totals }) => (await totals()).currencies,
    }),
    cursor: t.string({
      description:
        'Where the feed of the whole ledger is now: give it as `since` to `transactionPosted`, and nothing that is committed later is missed. Ask for it before you ask for a page, in a request of its own.',
      resolve: async (_totals, _args, { ledger }) => {
        const now = await ledger.transactionFeed.now().catch((error) => {
          throw feedError(error)
        })
        return FEED_CURSOR.encode(now, ledger.era)
      },
    }),
    verification: t.field({
      type: LedgerVerification,
      nullable: true,
      description:
        'Whether the ledger is sound. It reads every transaction several times, which takes a while on a large ledger.',
      resolve: (_totals, _args, { ledger }) => ledger.verify(),
    }),
  }),
})

builder.queryField('ledger', (t) =>
  t.field({
    type: Ledger,
    nullable: true,
    authScopes: { operator: true },
    description: 'The ledger as a whole. For operators.',
    resolve: (_root, _args, { ledger }) => {
      let totals: Promise<LedgerTotals> | undefined
      return {
        totals: () => {
          totals ??= ledger.loadTotals()
          return totals
        },
      }
    },
  }),
)
