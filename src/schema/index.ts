import { builder } from './builder.ts'
import './scalars.ts'
import './errors.ts'
import './user.ts'
import './balance.ts'
import './transaction.ts'
import './ledger-entry.ts'
import './balance-history.ts'
import './user-transactions.ts'
import './posting.ts'
import './post-transactions.ts'
import './failed-transaction.ts'
import './ledger.ts'
import './transaction-posted.ts'

builder.queryType({ description: 'What can be read.' })
builder.mutationType({ description: 'What can be changed. The fields of one operation run one after another.' })
builder.subscriptionType({ description: 'What can be watched, over WebSocket (graphql-ws) or server-sent events.' })

/** The finished schema. */
export const schema = builder.toSchema()
