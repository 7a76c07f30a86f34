import pg from 'pg'
import { readConfig } from '../src/config.ts'
import type { AccountId } from '../src/db/ids.ts'
import { openLedger } from '../src/ledger/ledger.ts'
import { ledgerOptions } from '../src/server/options.ts'
import { inTurns, median, percentile, table } from './measure.ts'

/* Pages of a ledger, and of an account, whose transactions all have metadata. */

/**
 * Deposits to one account: `order` differs on each, `shop` is the same on all, and `year` changes half-way.
 *
 * @returns the id of the account.
 */
export async function fillMetadata(url: string, count: number): Promise<AccountId> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: AccountId }>(
      `insert into users (id, email) values (gen_random_uuid(), 'metadata@example.com') returning id`,
    )
    const { id } = rows[0] as { id: AccountId }
    await client.query(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at, metadata)
       select gen_random_uuid(), gen_random_uuid(), $1, number, 1, now() - interval '1 year' + number * interval '1 second',
         jsonb_build_object('order', number::text, 'shop', 'a', 'year', case when number <= $2 / 2 then 'old' else 'new' end)
       from generate_series(1, $2::int) number`,
      [id, count],
    )
    await client.query('vacuum analyze transactions')
    return id
  } finally {
    await client.end()
  }
}

export async function measureMetadata(
  url: string,
  accountId: AccountId,
  { count, samples }: { count: number; samples: number },
): Promise<void> {
  const ledger = await openLedger(ledgerOptions(readConfig({}), url, console.error))
  await ledger.rebuildCheckpoints()
  const filters = {
    'one has it': { order: '77' },
    'none has it': { order: 'x' },
    'all have it': { shop: 'a' },
    'the older half has it': { year: 'old' },
  }
  const page = { first: 20 }
  const work = Object.fromEntries(
    Object.entries(filters).flatMap(([name, metadata]) => [
      [`the ledger: ${name}`, () => ledger.transactions.page(page, { metadata })],
      [
        `an account: ${name}`,
        () => ledger.entries.page([{ list: { accountId, low: 1, high: count, filter: { metadata } }, page }]),
      ],
    ]),
  )
  const times = await inTurns(samples, work)
  console.log(`\nA page of 20 filtered by metadata, of ${count.toLocaleString('en')} transactions, ms\n`)
  console.log(
    table(
      ['page', 'median', 'p95'],
      Object.entries(times).map(([name, each]) => [name, median(each).toFixed(2), percentile(each, 0.95).toFixed(2)]),
    ),
  )
  await ledger.close()
}
