import { expect, test } from 'vitest'
import { openClient } from '../support/graphql-transport.ts'
import { openMeasuredServer } from './support/measured-server.ts'

/*
 * A ledger subscriber that is far behind gets its first event soon, and then the rest in order. `BACKLOG=10000000` has it ten
 * million transactions behind, which takes minutes to fill.
 */

const BACKLOG = Number(process.env.BACKLOG ?? 300_000)
const ACCOUNTS = 1_000
const FIRST_EVENT_MS_MAX = 200
const EVENTS = 3_000

/** Account n pays account n + 1 one cent, round after round. */
const FILL = `
  insert into transactions (id, idempotency_key, source_user_id, source_sequence, destination_user_id, destination_sequence, amount, created_at)
  select gen_random_uuid(), gen_random_uuid(),
    accounts[1 + place], 2 + 2 * round + (place > 0)::int,
    accounts[1 + (place + 1) % ${ACCOUNTS}], 3 + 2 * round - (place + 1 < ${ACCOUNTS})::int, 1,
    '2026-01-01'::timestamptz + number * interval '1 millisecond'
  from (select number, number / ${ACCOUNTS} as round, number % ${ACCOUNTS} as place from generate_series($1::bigint, $2::bigint) number) step,
    (select array_agg(id order by id) as accounts from users where email like 'backlog%') every`

test(`a ledger subscriber that is ${BACKLOG} transactions behind has its first event within 200 ms, and all in order`, async () => {
  const server = await openMeasuredServer()
  const { pool } = server.database
  await pool.query(
    `with account as (
       insert into users (id, email) select gen_random_uuid(), 'backlog' || number || '@example.com' from generate_series(1, ${ACCOUNTS}) number returning id
     )
     insert into transactions (id, idempotency_key, destination_user_id, destination_sequence, amount, created_at)
     select gen_random_uuid(), gen_random_uuid(), id, 1, 1000000, '2025-12-01' from account`,
  )
  const { data } = await server.ask('{ ledger { cursor } }', {}, server.token)
  let since: string = data.ledger.cursor
  // Most in one database transaction, as somebody fills a ledger by SQL, and the last ones as an engine has them.
  const bulk = BACKLOG - 20_000
  await pool.query(FILL, [0, bulk - 1])
  for (let number = bulk; number < BACKLOG; number += 50) await pool.query(FILL, [number, number + 49])

  const health = server.probe('/livez')
  const subscribe = async () => {
    const client = await openClient(server.socketEndpoint, { token: server.token })
    const startedAt = performance.now()
    client.subscribe('watch', {
      query: 'subscription ($since: String) { transactionPosted(since: $since) { cursor transaction { createdAt } } }',
      variables: { since },
    })
    const first = (await client.waitForMessage()).payload.data.transactionPosted
    return { client, first, firstMs: performance.now() - startedAt }
  }
  const { client, first, firstMs } = await subscribe()
  expect(firstMs).toBeLessThan(FIRST_EVENT_MS_MAX)
  let last: string = first.transaction.createdAt
  for (let count = 1; count < EVENTS; count++) {
    const { cursor, transaction } = (await client.waitForMessage()).payload.data.transactionPosted
    expect(Date.parse(transaction.createdAt) - Date.parse(last)).toBe(1)
    last = transaction.createdAt
    since = cursor
  }
  client.webSocket.close()
  const resumed = await subscribe()
  expect(resumed.firstMs).toBeLessThan(FIRST_EVENT_MS_MAX)
  expect(Date.parse(resumed.first.transaction.createdAt) - Date.parse(last)).toBe(1)
  resumed.client.webSocket.close()
  expect(await health.stop()).toMatchObject({ failures: 0 })
  await server.close()
})
