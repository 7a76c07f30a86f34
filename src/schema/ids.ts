import { z } from 'zod'
import { invalidArgument } from './validation-error.ts'

/** The node types, and the readable prefix of their ids. */
const PREFIXES: Readonly<Record<string, string>> = { User: 'user', Transaction: 'transaction', LedgerEntry: 'entry' }
const TYPENAMES = new Map(Object.entries(PREFIXES).map(([typename, prefix]) => [prefix, typename]))

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const UUID_ALONE = new RegExp(`^${UUID}$`)
const NODE_ID = new RegExp(`^(?:(user|transaction)_(${UUID})|(entry)_(${UUID}_[1-9][0-9]{0,14}))$`)

export function encodeNodeId(typename: string, id: string): string {
  return `${PREFIXES[typename]}_${id}`
}

/** Reads an id whose type is not known beforehand: the prefix is needed. */
export function decodeNodeId(text: string): { typename: string; id: string } {
  const match = NODE_ID.exec(text.toLowerCase())
  const prefix = match?.[1] ?? match?.[3]
  const id = match?.[2] ?? match?.[4]
  const typename = prefix && TYPENAMES.get(prefix)
  if (!typename || !id) {
    throw invalidArgument('id', 'is not an id: expected user_<uuid>, transaction_<uuid> or entry_<uuid>_<sequence>')
  }
  return { typename, id }
}

/** Reads an id of a known type, with or without its prefix, in any case; gives the bare UUID in lower case. */
function idOf(prefix: string) {
  return z.string().transform((text, context) => {
    const id = text.toLowerCase().replace(`${prefix}_`, '')
    if (UUID_ALONE.test(id) && text.length - id.length in { 0: 1, [prefix.length + 1]: 1 }) return id
    context.addIssue({ code: 'custom', message: `is not a ${prefix} id: expected ${prefix}_<uuid> or <uuid>` })
    return z.NEVER
  })
}

export const userId = idOf('user')
export const transactionId = idOf('transaction')
