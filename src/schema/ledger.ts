import { type LedgerTotals, loadTotals } from '../ledger/journal.ts'
import { builder } from './builder.ts'

const Ledger = builder.objectRef<LedgerTotals>('Ledger').implement({
  description: 'The ledger as a whole, at one moment.',
  fields: (t) => ({
    userCount: t.expose('userCount', { type: 'Sequence', description: 'How many users there are.' }),
    transactionCount: t.expose('transactionCount', {
      type: 'Sequence',
      description: 'How many transactions there are.',
    }),
    deposited: t.expose('deposited', {
      type: 'Cents',
      description: 'All the money that came in from the world outside.',
    }),
    balances: t.expose('balances', {
      type: 'Cents',
      description: 'The sum of all balances as they are served. Money is conserved: it equals `deposited`, always.',
    }),
  }),
})

builder.queryField('ledger', (t) =>
  t.field({
    type: Ledger,
    nullable: true,
    description: 'Sums over the whole ledger. It reads every transaction: for operators and checks.',
    resolve: (_root, _args, { ledger }) => loadTotals(ledger.database),
  }),
)
