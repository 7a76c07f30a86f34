import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type AccountId, toTransactionId } from '../../src/db/ids.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { runCommand, runCommandHere } from '../support/command-line.ts'
import { deposit, openBeside, transfer, untilBlocked } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { openTestServer } from '../support/server.ts'

let ledger: TestLedger
let ada: AccountId
let grace: AccountId

beforeEach(async () => {
  ledger = await openTestLedger()
  ;[ada, grace] = await makeAccounts(ledger, 2, 100n)
  await Promise.all(Array.from({ length: 70 }, () => ledger.posting.post(transfer(ada, grace, 1n))))
  await ledger.rebuildCheckpoints()
})
afterEach(() => ledger.close())

const findings = async () =>
  (await verifyLedger(ledger.test.pool)).map(({ code, accountId, sequence }) => [
    code,
    accountId === ada ? 'ada' : accountId === grace ? 'grace' : accountId,
    sequence,
  ])

/** As an intruder with every right would: past the triggers, and past the checks. */
async function damage(statement: string, values: unknown[] = []): Promise<void> {
  const client = await ledger.test.pool.connect()
  try {
    await client.query('begin; alter table transactions disable trigger transactions_append_only')
    await client.query(statement, values)
    await client.query('alter table transactions enable always trigger transactions_append_only; commit')
  } finally {
    client.release(true)
  }
}

const entryOf = (account: 'source' | 'destination', sequence: number) =>
  `${account}_account_id = $1 and ${account}_sequence = ${sequence}`

test('a sound ledger has no findings', async () => {
  expect(await findings()).toEqual([])
})

describe('it finds', () => {
  test('an entry that is missing', async () => {
    await damage(`delete from transactions where ${entryOf('source', 10)}`, [ada])
    expect(await findings()).toEqual(
      expect.arrayContaining([
        ['SEQUENCE_BROKEN', 'ada', 11],
        ['SEQUENCE_BROKEN', 'grace', 11],
        ['SERVED_HEAD_WRONG', 'ada', null],
      ]),
    )
  })

  test('a number that is there twice, once on either side', async () => {
    await damage(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
       values (gen_random_uuid(), gen_random_uuid(), $1, 71, 5, clock_timestamp())`,
      [ada],
    )
    expect(await findings()).toEqual(expect.arrayContaining([['SEQUENCE_BROKEN', 'ada', 71]]))
  })

  test('a running balance below zero', async () => {
    await damage(`update transactions set amount = 101 where ${entryOf('source', 5)}`, [ada])
    expect(await findings()).toEqual(expect.arrayContaining([['BALANCE_NEGATIVE', 'ada', 5]]))
  })

  test('times that do not rise', async () => {
    await damage(`update transactions set created_at = '2001-01-01' where ${entryOf('source', 5)}`, [ada])
    expect(await findings()).toEqual(
      expect.arrayContaining([
        ['TIME_NOT_RISING', 'ada', 5],
        ['TIME_NOT_RISING', 'grace', 5],
      ]),
    )
  })

  test('an amount that is not what it was, by what was memoised before', async () => {
    await damage(`update transactions set amount = 2 where ${entryOf('source', 5)}`, [ada])
    const found = await findings()
    if ((await ledger.test.pool.query('select from private.balance_checkpoints')).rowCount === 0) {
      throw new Error('there is no checkpoint to compare with')
    }
    expect(found).toEqual(
      expect.arrayContaining([
        ['CHECKPOINT_WRONG', 'ada', expect.any(Number)],
        ['SERVED_BALANCE_WRONG', 'ada', null],
        ['FUNCTION_WRONG', 'ada', null],
      ]),
    )
  })

  test.each([
    ['balance', 'balance + 1'],
    ['moment', 'balance'],
    ['entry', 'balance'],
  ])('a checkpoint with a wrong %s', async (what, balance) => {
    await ledger.test.pool.query(
      `update private.balance_checkpoints set balance = ${balance},
         through = through ${what === 'moment' ? "+ interval '1 microsecond'" : ''},
         transaction_id = ${what === 'entry' ? '(select id from transactions where destination_account_id = $1 and destination_sequence = 1)' : 'transaction_id'}
       where account_id = $1`,
      [ada],
    )
    expect(await findings()).toEqual(expect.arrayContaining([['CHECKPOINT_WRONG', 'ada', expect.any(Number)]]))
  })

  test('a checkpoint beyond the last entry', async () => {
    await ledger.test.pool.query(
      `insert into private.balance_checkpoints (account_id, sequence, balance, through, transaction_id)
       select account_id, 500, balance, now(), transaction_id from private.balance_checkpoints where account_id = $1 limit 1`,
      [ada],
    )
    expect(await findings()).toEqual(
      expect.arrayContaining([
        ['CHECKPOINT_WRONG', 'ada', 500],
        ['SERVED_HEAD_WRONG', 'ada', null],
      ]),
    )
  })

  test('a transaction that no rule allows', async () => {
    await damage('alter table transactions drop constraint transactions_amount_positive')
    await damage(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
       values (gen_random_uuid(), gen_random_uuid(), $1, 72, -5, clock_timestamp())`,
      [ada],
    )
    expect(await findings()).toEqual([['ROW_INVALID', 'ada', 72]])
  })

  test('a transaction between two currencies, and an account whose currency was changed', async () => {
    const euros = await ledger.accounts.create({
      idempotencyKey: randomUUID(),
      ownerId: null,
      currency: 'EUR',
      name: null,
    })
    if ('refusal' in euros) throw new Error(euros.refusal)
    const { id } = euros.account
    // As it would be written, but for the currency: nothing else is wrong.
    await damage(
      `insert into transactions (id, idempotency_key, source_account_id, source_sequence, destination_account_id, destination_sequence, amount, created_at)
       values (gen_random_uuid(), gen_random_uuid(), $1, 72, $2, 1, 5, clock_timestamp())`,
      [ada, id],
    )
    expect(await findings()).toEqual([['CURRENCY_MISMATCH', id, 1]])
    expect((await ledger.verify())[0]?.message).toMatch(/from an account in USD to an account in EUR$/)
    await damage('alter table accounts disable trigger accounts_fixed')
    await damage(`update accounts set currency = 'EUR' where id = $1`, [ada])
    // All that ada and grace have moved to each other, and no longer what ada paid in euros.
    expect(await findings()).toEqual(
      Array.from({ length: 70 }, (_, index) => ['CURRENCY_MISMATCH', 'grace', 2 + index]),
    )
  })

  describe('a reversal', () => {
    let original: string
    let reversal: string

    beforeEach(async () => {
      const { rows } = await ledger.test.pool.query(
        `select id, amount from transactions where ${entryOf('source', 5)}`,
        [ada],
      )
      original = rows[0].id
      const reverses = { id: toTransactionId(original), amount: toAmount(BigInt(rows[0].amount)) }
      const outcome = await ledger.posting.post({ ...transfer(grace, ada, 1n), reverses })
      if (!('posted' in outcome)) throw new Error(outcome.refusal.code)
      reversal = outcome.posted.transaction.id
      // One of a deposit takes money out. All of this is as it should be.
      const deposited = await ledger.posting.post(deposit(ada, 5n))
      if (!('posted' in deposited)) throw new Error(deposited.refusal.code)
      const withdrawal = { ...deposit(ada, 2n), sourceAccountId: ada, destinationAccountId: null }
      await ledger.posting.post({ ...withdrawal, reverses: deposited.posted.transaction })
      expect(await findings()).toEqual([])
    })

    /** As it would be written, but for what it reverses. */
    const plant = async (source: AccountId | null, destination: AccountId | null, reversesId: string) => {
      const next = (id: AccountId | null) => (id === null ? null : id === ada ? 75 : 73)
      await damage(
        `insert into transactions (id, idempotency_key, source_account_id, source_sequence, destination_account_id, destination_sequence, amount, created_at, reverses_id)
         values (gen_random_uuid(), gen_random_uuid(), $1, $2, $3, $4, 1, clock_timestamp(), $5)`,
        [source, next(source), destination, next(destination), reversesId],
      )
    }
    const messages = async () => (await ledger.verify()).map(({ message }) => message)

    test('of more than there was', async () => {
      await plant(grace, ada, original)
      expect(await findings()).toEqual([['REVERSAL_WRONG', 'ada', 75]])
      expect(await messages()).toEqual([expect.stringMatching(/, of which 2 of 1 are reversed$/)])
    })

    test('of a reversal', async () => {
      await plant(ada, grace, reversal)
      expect(await findings()).toEqual([['REVERSAL_WRONG', 'grace', 73]])
      expect(await messages()).toEqual([expect.stringMatching(/, which is a reversal itself$/)])
    })

    test.each<[string, () => [AccountId | null, AccountId | null], 'ada' | 'grace', number]>([
      ['the same way round', () => [ada, grace], 'grace', 73],
      ['out of the ledger', () => [grace, null], 'grace', 73],
      ['into the ledger', () => [null, ada], 'ada', 75],
    ])('that is not between the same accounts: %s', async (_what, sides, account, sequence) => {
      const { rows } = await ledger.test.pool.query(`select id from transactions where ${entryOf('source', 6)}`, [ada])
      await plant(...sides(), rows[0].id)
      expect(await findings()).toEqual([['REVERSAL_WRONG', account, sequence]])
      expect(await messages()).toEqual([expect.stringMatching(/, but not between the same accounts$/)])
    })
  })

  test('entries of an account that is not there', async () => {
    await ledger.test.pool.query(`
      alter table transactions drop constraint transactions_destination_account_id_accounts_id_fk,
        drop constraint transactions_source_account_id_accounts_id_fk;
      alter table private.balance_checkpoints drop constraint balance_checkpoints_account_id_accounts_id_fk`)
    await ledger.test.pool.query('delete from users where id = $1', [ada])
    expect(await findings()).toEqual([['ACCOUNT_UNKNOWN', 'ada', 1]])
  })

  test('a balance that none can be, and says so in place of failing', async () => {
    await damage(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
       select gen_random_uuid(), gen_random_uuid(), $1, 71 + number, 9223372036854775807, clock_timestamp() + number * interval '1 microsecond'
       from generate_series(1, 2) number`,
      [ada],
    )
    expect(await findings()).toEqual([['BALANCE_TOO_LARGE', 'ada', 72]])
    const post = (destinationAccountId: AccountId) =>
      ledger.posting.post({
        idempotencyKey: randomUUID(),
        sourceAccountId: null,
        destinationAccountId,
        amount: toAmount(1n),
      })
    const [onAda, onGrace] = await Promise.allSettled([post(ada), post(grace)])
    expect(onAda).toMatchObject({ status: 'rejected', reason: { name: 'LedgerFaultError' } })
    expect(onGrace).toMatchObject({ status: 'fulfilled' })
  })

  test('an SQL function that says something else', async () => {
    await ledger.test.pool.query(
      'create or replace function get_current_balance(account_id uuid) returns bigint language sql stable return 7',
    )
    expect(await findings()).toEqual([
      ['FUNCTION_WRONG', expect.stringMatching(/ada|grace/), null],
      ['FUNCTION_WRONG', expect.stringMatching(/ada|grace/), null],
    ])
  })
})

test('a ledger that is closed does not wait for a verification', async () => {
  const beside = await openBeside(ledger.test)
  const client = await ledger.test.pool.connect()
  await client.query('begin; lock table transactions in access exclusive mode')
  const verification = beside.verify().catch((error) => error)
  await untilBlocked(ledger.test)
  await beside.close()
  expect(await verification).toBeInstanceOf(Error)
  client.release(true)
})

describe('the command', () => {
  const run = () => runCommandHere(['verify'], { DATABASE_URL: ledger.test.url })

  test('says that a sound ledger is sound', async () => {
    expect(await run()).toEqual({ code: 0, stdout: 'The ledger is sound.\n', stderr: '' })
  })

  test('names users whose addresses are not canonical or are shared, and changes none', async () => {
    const emails = {
      one: 'j\u030cohn@example.org',
      other: '\u01f0ohn@example.org',
      twice: 'J\u030cohn@example.org',
      munich: "o'hara@münchen.example",
      none: 'nobody',
      sound: 'sound@example.org',
    }
    const ids = Object.fromEntries(Object.keys(emails).map((name) => [name, randomUUID()]))
    for (const [name, email] of Object.entries(emails)) {
      await ledger.test.pool.query('insert into users (id, email) values ($1, $2)', [ids[name], email])
    }
    const stored = () => ledger.test.pool.query('select id, email, updated_at from users order by id')
    const before = (await stored()).rows
    const { code, stdout, stderr } = await run()
    expect(code).toBe(1)
    expect(stdout).toMatch(/The ledger is sound\./)
    expect(stderr.trim().split('\n').sort()).toEqual(
      [
        `user_${ids.none}: the e-mail address is not valid. Give the user another one.`,
        `user_${ids.munich}: the e-mail address is not in its canonical form. To fix it: update public.users set email = 'o''hara@xn--mnchen-3ya.example', updated_at = now() where id = '${ids.munich}';`,
        `user_${ids.one}: the e-mail address is the same as that of ${[ids.twice, ids.other].map((id) => `user_${id}`).join(', ')}. Decide who keeps it, and give the others another one.`,
        `user_${ids.twice}: the e-mail address is the same as that of ${[ids.one, ids.other].map((id) => `user_${id}`).join(', ')}. Decide who keeps it, and give the others another one.`,
      ]
        .map((line) => `ADDRESS_NOT_CANONICAL: ${line}`)
        .sort(),
    )
    expect((await stored()).rows).toEqual(before)
    // What it says to do is enough.
    await ledger.test.pool.query(/update .*;/.exec(stderr)?.[0] ?? '')
    await ledger.test.pool.query('delete from users where id = any($1)', [[ids.one, ids.twice, ids.none]])
    expect((await run()).code).toBe(0)
  })

  test('says what is wrong and where, and exits with 1', async () => {
    await damage(`update transactions set amount = 101 where ${entryOf('source', 5)}`, [ada])
    const command = runCommand(['verify'], { DATABASE_URL: ledger.test.url })
    expect(await command.waitForExit()).toBe(1)
    expect(command.stderr()).toMatch(new RegExp(`BALANCE_NEGATIVE: account_${ada}, entry 5: after transaction .* -`))
    expect(command.stdout()).toMatch(/The ledger is NOT sound/)
  })

  test('warns of a ledger that was restored from a dump', async () => {
    await ledger.test.pool.query(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at, recorded_xid)
       values (gen_random_uuid(), gen_random_uuid(), $1, 72, 5, clock_timestamp(), '900000000000')`,
      [grace],
    )
    const { code, stderr } = await run()
    expect(code).toBe(0)
    expect(stderr).toBe(
      'Warning: the ledger was restored from a dump: run `npm run era:renew` once, so that it can be watched again\n',
    )
  })
})

test('an operator is told the same by ledger.verification', async () => {
  const server = await openTestServer({}, ledger.test)
  const ask = () =>
    server.ask('{ ledger { verification { sound findings { code account { id } sequence message } } } }')
  try {
    expect((await ask()).data.ledger.verification).toEqual({ sound: true, findings: [] })
    await damage(`update transactions set amount = 101 where ${entryOf('source', 5)}`, [ada])
    const { sound, findings } = (await ask()).data.ledger.verification
    expect(sound).toBe(false)
    expect(findings).toContainEqual({
      code: 'BALANCE_NEGATIVE',
      account: { id: `account_${ada}` },
      sequence: 5,
      message: expect.stringContaining('the balance is'),
    })
  } finally {
    await server.close()
  }
})
