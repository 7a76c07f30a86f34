import type { ClientBase } from 'pg'

/*
 * A backlog for subscribers, filled by SQL: account n pays account n + 1 one cent, round after round, one millisecond after
 * another. That is two entries for each account in a round, and sequences without gaps.
 *
 * The secondary indexes and foreign keys of the table are dropped before, and made again after: the filling takes a quarter of
 * the time.
 */

const ACCOUNTS = 1_000

export interface BacklogOptions {
  transactions: number
  /** The last ones, in database transactions of `batchRows` each, as an engine writes them. The others are in one. */
  inBatches: number
  batchRows: number
}

/** Makes the accounts of a backlog, each with one deposit. Returns their ids. */
export async function makeBacklogAccounts(client: ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `insert into users (id, email) select gen_random_uuid(), 'backlog' || number || '@example.com' from generate_series(1, ${ACCOUNTS}) number returning id`,
  )
  const accounts = rows.map(({ id }) => id)
  await client.query(
    `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
     select gen_random_uuid(), gen_random_uuid(), id, 1, 1000000, '2025-01-01'::timestamptz + place * interval '1 microsecond'
     from unnest($1::uuid[]) with ordinality account (id, place)`,
    [accounts],
  )
  return accounts
}

const FILL = `
  insert into transactions (id, idempotency_key, source_account_id, source_sequence, destination_account_id, destination_sequence, amount, created_at)
  select overlay(gen_random_uuid()::text placing lpad(to_hex(number), 8, '0') from 1)::uuid, gen_random_uuid(),
    ($3::uuid[])[1 + place], 2 + 2 * round + (place > 0)::int,
    ($3::uuid[])[1 + (place + 1) % ${ACCOUNTS}], 3 + 2 * round - (place + 1 < ${ACCOUNTS})::int, 1,
    '2026-01-01'::timestamptz + number * interval '1 millisecond'
  from (select number, number / ${ACCOUNTS} as round, number % ${ACCOUNTS} as place from generate_series($1::bigint, $2::bigint) number) step`

/** Writes the transactions of a backlog between its accounts. Nobody else may write to the ledger meanwhile. */
export async function fillBacklog(
  client: ClientBase,
  accounts: readonly string[],
  { transactions, inBatches, batchRows }: BacklogOptions,
): Promise<void> {
  const bulk = transactions - inBatches
  const { drops, restores } = await dependents(client)
  for (const drop of drops) await client.query(drop)
  await client.query(FILL, [0, bulk - 1, accounts])
  await client.query(`
    create procedure fill_batches(low bigint, high bigint, accounts uuid[]) language plpgsql as $$
    begin
      while low < high loop
        execute $fill$ ${FILL} $fill$ using low, least(low + ${batchRows}, high) - 1, accounts;
        commit;
        low := low + ${batchRows};
      end loop;
    end $$`)
  await client.query('set synchronous_commit = off')
  await client.query(`call fill_batches(${bulk}, ${transactions}, $1)`, [accounts])
  await client.query('drop procedure fill_batches')
  await client.query("set maintenance_work_mem = '256MB'")
  for (const restore of restores) await client.query(restore)
  await client.query('vacuum analyze transactions')
}

/** The statements that drop the secondary indexes and the foreign keys of the table, and those that make them again. */
async function dependents(client: ClientBase): Promise<{ drops: string[]; restores: string[] }> {
  const { rows } = await client.query<{ drop: string; restore: string }>(`
    select format('alter table transactions drop constraint %I', conname) as drop,
      format('alter table transactions add constraint %I %s', conname, pg_get_constraintdef(oid)) as restore
    from pg_constraint where conrelid = 'transactions'::regclass and contype = 'f'
    union all
    select format('drop index %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
    from pg_index where indrelid = 'transactions'::regclass and not indisprimary`)
  return { drops: rows.map(({ drop }) => drop), restores: rows.map(({ restore }) => restore) }
}
