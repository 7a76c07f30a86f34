import { type SQL, sql } from 'drizzle-orm'
import type pg from 'pg'
import type { Database } from '../db/pool.ts'
import { inSnapshot } from '../db/transaction.ts'
import { readHeads } from './statements/read-heads.ts'

/*
 * Verification: the ledger recomputed from its transactions alone, and compared with what is served. One snapshot, so
 * that it may run beside postings. It sees whatever contradicts itself; it cannot see a transaction that was altered,
 * removed or invented consistently (with everything after it renumbered), which only a copy kept elsewhere could show.
 */

export type FindingCode =
  | 'SEQUENCE_BROKEN'
  | 'TIME_NOT_RISING'
  | 'BALANCE_NEGATIVE'
  | 'CHECKPOINT_WRONG'
  | 'SERVED_BALANCE_WRONG'
  | 'SERVED_HEAD_WRONG'
  | 'FUNCTION_WRONG'

/** One thing that is wrong, and where. */
export interface Finding {
  code: FindingCode
  accountId: string
  /** The entry it was seen at; null for the account as a whole. */
  sequence: number | null
  message: string
}

/** Enough to see what is wrong; the rest usually follows from the first. */
const FINDINGS_MAX_PER_CHECK = 100
/** Accounts whose served balances are compared at once. */
const ACCOUNTS_AT_ONCE = 5_000

/** Every entry, both sides, with what it must be: its number by order of sequence and its running balance. */
const ENTRIES = sql`
  with entry as (
    select destination_user_id as account_id, destination_sequence as sequence, amount as change, created_at, id from public.transactions
    union all
    select source_user_id, source_sequence, -amount, created_at, id from public.transactions where source_user_id is not null
  ), checked as (
    select *,
      row_number() over account as expected,
      sum(change) over account as running,
      lag(created_at) over account as previous_at
    from entry window account as (partition by account_id order by sequence, created_at rows unbounded preceding)
  )`

const CHECKS: readonly { code: FindingCode; statement: SQL }[] = [
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
      select point.user_id as account_id, point.sequence, format(
        'the checkpoint says %s at %s (transaction %s); the entries say %s at %s (transaction %s)',
        point.balance, point.through, point.transaction_id, running, created_at, id) as message
      from private.balance_checkpoints point
      left join checked on account_id = point.user_id and checked.sequence = point.sequence
      where (running, created_at, id) is distinct from (point.balance::numeric, point.through, point.transaction_id)`,
  },
]

/**
 * Recomputes everything and says what is wrong: nothing, if the ledger is sound.
 *
 * Reads every transaction several times; on a million of them it takes some tens of seconds.
 */
export function verifyLedger(pool: pg.Pool): Promise<Finding[]> {
  return inSnapshot(pool, async (tx) => {
    const findings: Finding[] = []
    for (const { code, statement } of CHECKS) {
      const { rows } = await tx.execute<{ account_id: string; sequence: string; message: string }>(
        sql`${statement} order by 1, 2 limit ${FINDINGS_MAX_PER_CHECK}`,
      )
      for (const row of rows) {
        findings.push({ code, accountId: row.account_id, sequence: Number(row.sequence), message: row.message })
      }
    }
    for await (const finding of compareServed(tx)) findings.push(finding)
    return findings
  })
}

interface PlainSum {
  account_id: string
  plain: string
  length: string
  function_now: string | null
  function_last: string | null
}

/** Each account as it is served (checkpoint and tail, and the SQL functions) against the plain sum of its entries. */
async function* compareServed(tx: Database): AsyncGenerator<Finding> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const { rows } = await tx.execute<PlainSum & Record<string, unknown>>(sql`
      select account.id as account_id, plain.total::text as plain, plain.length,
        public.get_current_balance(account.id)::text as function_now,
        public.get_balance_on_date(account.id, coalesce(plain.last_at, now()))::text as function_last
      from (select id from public.users where id > ${after}::uuid order by id limit ${ACCOUNTS_AT_ONCE}) account
      cross join lateral (
        select coalesce(sum(change), 0) as total, count(*) as length, max(created_at) as last_at from (
          select amount as change, created_at from public.transactions where destination_user_id = account.id
          union all
          select -amount, created_at from public.transactions where source_user_id = account.id
        ) entry
      ) plain
      order by account.id`)
    if (rows.length === 0) return
    const heads = await readHeads(tx).execute({ ids: rows.map((row) => row.account_id) })
    const served = new Map(heads.map((head) => [head.userId, head]))
    for (const row of rows) yield* compareAccount(row, served.get(row.account_id))
    after = rows.at(-1)?.account_id as string
  }
}

function* compareAccount(
  { account_id: accountId, plain, length, function_now, function_last }: PlainSum,
  served: { balance: bigint; lastSequence: number } | undefined,
): Generator<Finding> {
  const finding = (code: FindingCode, message: string): Finding => ({ code, accountId, sequence: null, message })
  if (served?.balance.toString() !== plain) {
    yield finding('SERVED_BALANCE_WRONG', `the balance served is ${served?.balance}; the entries sum to ${plain}`)
  }
  if (served?.lastSequence.toString() !== length) {
    yield finding('SERVED_HEAD_WRONG', `the last entry served is ${served?.lastSequence}; there are ${length} entries`)
  }
  if (function_now !== plain) {
    yield finding('FUNCTION_WRONG', `get_current_balance says ${function_now}; the entries sum to ${plain}`)
  }
  if (function_last !== plain) {
    yield finding(
      'FUNCTION_WRONG',
      `get_balance_on_date of the last entry says ${function_last}; the entries sum to ${plain}`,
    )
  }
}
