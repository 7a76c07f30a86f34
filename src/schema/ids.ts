import { z } from 'zod'
import { toAccountId, toTransactionId } from '../db/ids.ts'

/** The node types, and the readable prefix of their ids. */
const PREFIXES: Readonly<Record<string, string>> = {
  User: 'user',
  Account: 'account',
  Transaction: 'transaction',
  LedgerEntry: 'entry',
  FailedTransaction: 'attempt',
}
const TYPENAMES = new Map(Object.entries(PREFIXES).map(([typename, prefix]) => [prefix, typename]))

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
/** Longer than any id: a longer text is not looked at. */
const ID_LENGTH_MAX = 100
const NODE_ID = new RegExp(`^(?:(user|account|transaction|attempt)_(${UUID})|(entry)_(${UUID}_[1-9][0-9]{0,14}))$`)

export function encodeNodeId(typename: string, id: string): string {
  return `${PREFIXES[typename]}_${id}`
}

export interface NodeId {
  typename: string
  id: string
}

/** Replaces a text that is no id, until `nodeIdRule` refuses it by its path. */
const MALFORMED: NodeId = { typename: '', id: '' }

/** Reads an id whose type is not known beforehand: the prefix is needed. Never throws: see `nodeIdRule`. */
export function decodeNodeId(text: string): NodeId {
  const match = text.length > ID_LENGTH_MAX ? null : NODE_ID.exec(text.toLowerCase())
  const typename = TYPENAMES.get(match?.[1] ?? match?.[3] ?? '')
  const id = match?.[2] ?? match?.[4]
  return typename && id ? { typename, id } : MALFORMED
}

/** For the `validate` of every argument that is such an id. */
export const nodeIdRule: [(id: unknown) => boolean, { message: string }] = [
  (id) => id !== MALFORMED,
  {
    message:
      'must be an id: user_<uuid>, account_<uuid>, transaction_<uuid>, attempt_<uuid> or entry_<uuid>_<sequence>',
  },
]

/**
 * Reads an id of a known type, in any case; returns the bare UUID in lower case, as `toId` types it.
 *
 * @param prefix a regular expression.
 * @param message for one that is malformed.
 */
function idOf<Id extends string>(prefix: string, toId: (uuid: string) => Id, message: string) {
  const pattern = new RegExp(`^${prefix}(${UUID})$`)
  return z.string().transform((text, context) => {
    const id = text.length > ID_LENGTH_MAX ? undefined : pattern.exec(text.toLowerCase())?.[1]
    if (id !== undefined) return toId(id)
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

/** Of a type that has one prefix, which may be left out. */
const nodeIdOf = <Id extends string>(prefix: string, toId: (uuid: string) => Id) =>
  idOf(`(?:${prefix}_)?`, toId, `must be a ${prefix} id: ${prefix}_<uuid> or <uuid>`)

export const userId = nodeIdOf('user', String)
/** The id of an account. That of a user names their main account, which has the same UUID. */
export const accountId = idOf(
  '(?:account_|user_)?',
  toAccountId,
  'must be an account id: account_<uuid> or <uuid>, or user_<uuid> for the main account of a user',
)
/** The id of one account, where that of a user could be taken for all accounts of the user. */
export const accountIdAlone = idOf('account_', toAccountId, 'must be an account id: account_<uuid>')
export const transactionId = nodeIdOf('transaction', toTransactionId)
export const attemptId = nodeIdOf('attempt', String)
export const apiTokenId = nodeIdOf('token', String)
export const encodeApiTokenId = (id: string) => `token_${id}`
