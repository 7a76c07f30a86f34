import { type SQL, sql } from 'drizzle-orm'
import type { Amount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import type { Metadata } from '../../db/metadata.ts'
import type { EntryDirection } from './entry.ts'
import { kindOfRow, type TransactionKind } from './sides.ts'

/** Entries must match all conditions that are given. */
export interface EntryFilter {
  direction?: EntryDirection | null | undefined
  kind?: TransactionKind | null | undefined
  /** The account on the other side. */
  counterpartyId?: AccountId | null | undefined
  /** Of the transaction's amount, which is positive; both included. */
  amountMin?: Amount | null | undefined
  amountMax?: Amount | null | undefined
  /** All of these. */
  metadata?: Metadata | null | undefined
  /** Upper and lower case are equal. */
  descriptionContains?: string | null | undefined
  /** true: only reversals. false: none of them. */
  reversal?: boolean | null | undefined
}

/** Whether each entry has to be checked. */
export function isSelective(filter: EntryFilter): boolean {
  const { direction, kind, counterpartyId, amountMin, amountMax, metadata, descriptionContains, reversal } = filter
  return [direction, kind, counterpartyId, amountMin, amountMax, metadata, descriptionContains, reversal].some(
    (value) => value != null,
  )
}

/** Filters as the arrays that `filterColumns` takes, with one element for each request. */
export function filterValues(requests: readonly { accountId: AccountId; filter: EntryFilter }[]) {
  return {
    ids: requests.map(({ accountId }) => accountId),
    directions: requests.map(({ filter }) => filter.direction ?? null),
    kinds: requests.map(({ filter }) => filter.kind ?? null),
    counterpartyIds: requests.map(({ filter }) => filter.counterpartyId ?? null),
    amountMins: requests.map(({ filter }) => filter.amountMin?.toString() ?? null),
    amountMaxes: requests.map(({ filter }) => filter.amountMax?.toString() ?? null),
    metadata: requests.map(({ filter }) => (filter.metadata ? JSON.stringify(filter.metadata) : null)),
    words: requests.map(({ filter }) => filter.descriptionContains ?? null),
    reversals: requests.map(({ filter }) => filter.reversal ?? null),
  }
}

/** Whether the description of a row contains a text; upper and lower case are equal. */
export const containsWords = (text: SQL) => sql`strpos(lower(description), lower(${text})) > 0`

/** The arrays for an `unnest` that makes a row named `request` of each request, and the names of its columns. */
export const filterColumns = sql`${sql.placeholder('ids')}::uuid[], ${sql.placeholder('directions')}::text[],
  ${sql.placeholder('kinds')}::text[], ${sql.placeholder('counterpartyIds')}::uuid[],
  ${sql.placeholder('amountMins')}::bigint[], ${sql.placeholder('amountMaxes')}::bigint[],
  ${sql.placeholder('metadata')}::jsonb[], ${sql.placeholder('words')}::text[], ${sql.placeholder('reversals')}::boolean[]`
export const filterNames = sql.raw(
  'id, direction, kind, counterparty_id, amount_min, amount_max, metadata, words, reversal',
)

/**
 * The entries `low` … `high` of the account of `request` that match its filter. With an order, it has the first
 * `request.size` entries of each side. PostgreSQL reads them from the index, and stops when it has enough.
 *
 * It names the table and not private.entries, because each side has conditions of its own: a filter for debits reads no
 * credits.
 */
export function matchingEntries(low: SQL, high: SQL, order?: 'asc' | 'desc'): SQL {
  const side = (sequence: SQL, change: SQL, isSide: SQL) => sql`(
    select ${sequence} as sequence, ${change} as change, * from public.transactions
    where ${isSide} and ${sequence} between ${low} and ${high}
      and (request.amount_min is null or amount >= request.amount_min)
      and (request.amount_max is null or amount <= request.amount_max)
      and (request.metadata is null or metadata @> request.metadata)
      and (request.words is null or ${containsWords(sql`request.words`)})
      and (request.reversal is null or (reverses_id is not null) = request.reversal)
    ${order ? sql`order by ${sequence} ${sql.raw(order)} limit request.size` : sql.empty()})`
  const credits = sql`destination_account_id = request.id and request.direction is distinct from 'DEBIT'
      and (request.kind is null or request.kind = ${kindOfRow})
      and (request.counterparty_id is null or source_account_id = request.counterparty_id)`
  const debits = sql`source_account_id = request.id and request.direction is distinct from 'CREDIT'
      and (request.kind is null or request.kind = ${kindOfRow})
      and (request.counterparty_id is null or destination_account_id = request.counterparty_id)`
  return sql`${side(sql`destination_sequence`, sql`amount`, credits)}
    union all ${side(sql`source_sequence`, sql`-amount`, debits)}`
}
