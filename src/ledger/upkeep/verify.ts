import { type SQL, sql } from 'drizzle-orm'
import type pg from 'pg'
import type { Amount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import { type Instant, selectInstant } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { inSnapshot } from '../../db/transaction.ts'
import type { Finding, FindingCode } from '../model/finding.ts'
import { readBalancesAsOf } from '../statements/read-balances-as-of.ts'
import { readHeads } from '../statements/read-heads.ts'

/*
 * Verification: the ledger recomputed from its transactions alone, and compared with what is served. One snapshot, so
 * that it may run beside postings. It sees whatever contradicts itself; it cannot see a transaction that was altered,
 * removed or invented consistently (with everything after it renumbered), which only a copy kept elsewhere could show.
 */

/** Enough to see what is wrong; the rest usually follows from the first. */
const FINDINGS_MAX_PER_CHECK = 100
/** Accounts whose served balances are compared at once. */
const ACCOUNTS_AT_ONCE = 5_000

/** Every entry, both sides, with what it must be: its number by order of sequence and its running balance. */
const ENTRIES = sql`
  with entry as (
    select destination_account_id as account_id, destination_sequence as sequence, amount as change, created_at, id
    from public.transactions where destination_account_id is not null
    union all
    select source_account_id, source_sequence, -amount, created_at, id from public.transactions where source_account_id is not null
  ), checked as (
    select *,
      row_number() over account as expected,
      sum(change) over account as running,
      lag(created_at) over account as previous_at
    from entry window account as (partition by account_id order by sequence, created_at rows unbounded preceding)
  )`

const CHECKS: readonly { code: FindingCode; statement: SQL }[] = [
  {
    code: 'ROW_INVALID',
    statement: sql`
      select coalesce(destination_account_id, source_account_id) as account_id, coalesce(destination_sequence, source_sequence) as sequence,
        format('transaction %s moves %s from %s to %s', id, amount,
          coalesce(source_account_id::text, 'outside'), coalesce(destination_account_id::text, 'outside')) as message
      from public.transactions
      where amount <= 0 or source_account_id = destination_account_id or num_nonnulls(source_account_id, destination_account_id) = 0
        or (source_account_id is null) <> (source_sequence is null)
        or (destination_account_id is null) <> (destination_sequence is null)`,
  },
  {
    code: 'REVERSAL_WRONG',
    statement: sql`
      select coalesce(reversal.destination_account_id, reversal.source_account_id) as account_id,
        coalesce(reversal.destination_sequence, reversal.source_sequence) as sequence,
        format('transaction %s reverses transaction %s, %s', reversal.id, original.id, case
          when original.reverses_id is not null then 'which is a reversal itself'
          when reversal.reversed > original.amount then format('of which %s of %s are reversed', reversal.reversed, original.amount)
          else 'but not between the same accounts' end) as message
      from (
        select *, sum(amount) over (partition by reverses_id order by created_at, id) as reversed
        from public.transactions where reverses_id is not null
      ) reversal
      join public.transactions original on original.id = reversal.reverses_id
      where original.reverses_id is not null or reversal.reversed > original.amount
        or (reversal.source_account_id, reversal.destination_account_id)
          is distinct from (original.destination_account_id, original.source_account_id)`,
  },
  {
    code: 'ACCOUNT_UNKNOWN',
    statement: sql`${ENTRIES}
      select account_id, min(sequence) as sequence, format('%s entries, but no such account', count(*)) as message
      from checked where not exists (select from public.accounts where id = account_id) group by account_id`,
  },
  {
    code: 'CURRENCY_MISMATCH',
    statement: sql`
      select destination_account_id as account_id, destination_sequence as sequence,
        format('transaction %s moves money from an account in %s to an account in %s', transactions.id, source.currency, destination.currency) as message
      from public.transactions
      join public.accounts source on source.id = source_account_id
      join public.accounts destination on destination.id = destination_account_id
      where source.currency <> destination.currency`,
  },
  {
    code: 'BALANCE_TOO_LARGE',
    statement: sql`${ENTRIES}
      select account_id, min(sequence) as sequence, format('the balance is up to %s, past 2^63-1', max(running)) as message
      from checked where running > 9223372036854775807 group by account_id`,
  },
  {
    code: 'SEQUENCE_BROKEN',
    statement: sql`${ENTRIES}
      select account_id, sequence, format('transaction %s has number %s, but is entry %s of the account', id, sequence, expected) as message
      from checked where sequence <> expected`,
  },
  {
    code: 'TIME_NOT_RISING',
    statement: sql`${ENTRIES}
      select account_id, sequence, format('transaction %s is of %s, not later than the entry before it (%s)', id, created_at, previous_at) as message
      from checked where created_at <= previous_at`,
  },
  {
    code: 'BALANCE_NEGATIVE',
    statement: sql`${ENTRIES}
      select account_id, sequence, format('after transaction %s the balance is %s', id, running) as message
      from checked where running < 0`,
  },
  {
    code: 'CHECKPOINT_WRONG',
    statement: sql`${ENTRIES}
      select point.account_id, point.sequence, format(
        'the checkpoint says %s at %s (transaction %s); the entries say %s at %s (transaction %s)',
        point.balance, point.through, point.transaction_id, running, created_at, id) as message
      from private.balance_checkpoints point
      left join checked on checked.account_id = point.account_id and checked.sequence = point.sequence
      where (running, created_at, id) is distinct from (point.balance::numeric, point.through, point.transaction_id)`,
  },
]

/**
 * Recomputes everything and says what is wrong: nothing, if the ledger is sound.
 *
 * @param signal gives it up, wherever it is.
 *
 * Reads every transaction several times; on a million of them it takes some tens of seconds.
 */
export function verifyLedger(pool: pg.Pool, signal?: AbortSignal): Promise<Finding[]> {
  return inSnapshot(pool, signal, async (tx) => {
    const findings: Finding[] = []
    for (const { code, statement } of CHECKS) {
      const { rows } = await tx.execute<{ account_id: AccountId; sequence: string; message: string }>(
        sql`${statement} order by 1, 2 limit ${FINDINGS_MAX_PER_CHECK}`,
      )
      for (const row of rows) {
        findings.push({ code, accountId: row.account_id, sequence: Number(row.sequence), message: row.message })
      }
    }
    // What cannot be a balance cannot be served either: PostgreSQL would refuse to compute it.
    const unserved = findings.filter(({ code }) => code === 'BALANCE_TOO_LARGE').map(({ accountId }) => accountId)
    let served = 0
    for await (const finding of compareServed(tx, unserved)) {
      findings.push(finding)
      if (++served >= FINDINGS_MAX_PER_CHECK) break
    }
    return findings
  })
}

/** An account's entries summed up plainly: all of them, and the older half. */
interface PlainSums {
  account_id: AccountId
  total: string
  length: string
  half_total: string
  half_length: string
  half_at: Instant | null
  function_now: string | null
  function_last: string | null
  function_half: string | null
}

/** Each account as it is served (checkpoint and tail, now and as of a moment, and the SQL functions) against plain sums. */
async function* compareServed(tx: Database, unserved: readonly AccountId[]): AsyncGenerator<Finding> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const { rows } = await tx.execute<PlainSums & Record<string, unknown>>(sql`
      select account.id as account_id, plain.total::text, plain.length, half.total::text as half_total,
        half.length as half_length, ${selectInstant(sql`half.at`)} as half_at,
        public.get_current_balance(account.id)::text as function_now,
        public.get_balance_on_date(account.id, coalesce(plain.last_at, now()))::text as function_last,
        public.get_balance_on_date(account.id, coalesce(half.at, now()))::text as function_half
      from (
        select id from public.accounts where id > ${after}::uuid and id <> all(${sql.param(unserved)}::uuid[])
        order by id limit ${ACCOUNTS_AT_ONCE}
      ) account
      cross join lateral (
        select coalesce(sum(change), 0) as total, count(*) as length, max(created_at) as last_at
        from (${ENTRIES_OF_ACCOUNT}) entry
      ) plain
      cross join lateral (
        select coalesce(sum(change), 0) as total, count(*) as length, max(created_at) as at
        from (${ENTRIES_OF_ACCOUNT} order by sequence limit (plain.length + 1) / 2) entry
      ) half
      order by account.id`)
    if (rows.length === 0) return
    const ids = rows.map((row) => row.account_id)
    const heads = await readHeads(tx).execute({ ids })
    const served = new Map(heads.map((head) => [head.accountId, head]))
    // An account without entries has no moment of its own: any will do.
    const moments = rows.map((row) => row.half_at ?? '2000-01-01T00:00:00.000000Z')
    const halves = await readBalancesAsOf(tx).execute({ ids, moments })
    for (const [index, row] of rows.entries()) yield* compareAccount(row, served.get(row.account_id), halves[index])
    after = ids.at(-1) as string
  }
}

const ENTRIES_OF_ACCOUNT = sql`
  select destination_sequence as sequence, amount as change, created_at from public.transactions where destination_account_id = account.id
  union all
  select source_sequence, -amount, created_at from public.transactions where source_account_id = account.id`

function* compareAccount(
  plain: PlainSums,
  served: { balance: Amount; lastSequence: number } | undefined,
  half: { balance: Amount; sequence: number } | undefined,
): Generator<Finding> {
  const compared: [FindingCode, what: string, said: unknown, is: string][] = [
    ['SERVED_BALANCE_WRONG', 'the balance served', served?.balance, plain.total],
    ['SERVED_HEAD_WRONG', 'the number of the last entry served', served?.lastSequence, plain.length],
    ['SERVED_BALANCE_WRONG', `the balance served as of ${plain.half_at}`, half?.balance, plain.half_total],
    ['SERVED_HEAD_WRONG', `the number of entries served as of ${plain.half_at}`, half?.sequence, plain.half_length],
    ['FUNCTION_WRONG', 'get_current_balance', plain.function_now, plain.total],
    ['FUNCTION_WRONG', 'get_balance_on_date of the last entry', plain.function_last, plain.total],
    ['FUNCTION_WRONG', `get_balance_on_date of ${plain.half_at}`, plain.function_half, plain.half_total],
  ]
  for (const [code, what, said, is] of compared) {
    if (String(said) === is) continue
    yield {
      code,
      accountId: plain.account_id,
      sequence: null,
      message: `${what} is ${said}; by its entries it is ${is}`,
    }
  }
}
