import { builder } from './builder.ts'
import { boundEnumNames } from './enum-names.ts'
import { sliceLists } from './sliced-lists.ts'
import './scalars.ts'
import './errors.ts'
import './posting-errors.ts'
import './currency.ts'
import './user.ts'
import './account.ts'
import './balance.ts'
import './transaction.ts'
import './ledger-entry.ts'
import './balance-history.ts'
import './account-transactions.ts'
import './posting.ts'
import './reversal.ts'
import './post-transactions.ts'
import './failed-transaction.ts'
import './ledger.ts'
import './transaction-posted.ts'
import './sign-in.ts'
import './user-changes.ts'
import './account-changes.ts'
import './api-token.ts'

builder.queryType({ description: 'What can be read.', authScopes: { signedIn: true } })
builder.mutationType({
  description: 'What can be changed. The fields of one operation run one after another.',
  authScopes: { signedIn: true },
})
builder.subscriptionType({
  description: 'What can be watched, over WebSocket (graphql-ws) or server-sent events.',
  authScopes: { signedIn: true },
})

/** The finished schema. */
export const schema = boundEnumNames(sliceLists(builder.toSchema()))
