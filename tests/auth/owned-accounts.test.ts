import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Authenticator } from '../../src/auth/authenticator.ts'
import { openSession } from '../../src/auth/sessions.ts'
import { type AccountId, accountOfUser } from '../../src/db/ids.ts'
import { databaseOf } from '../../src/db/pool.ts'
import type { Account } from '../../src/ledger/model/account.ts'
import { openTestLedger } from '../support/ledger.ts'

/* Whoever is signed in holds the accounts that they own, and a new one soon after it is made. */

async function openHouse() {
  const ledger = await openTestLedger()
  const database = databaseOf(ledger.test.pool)
  const errors: unknown[] = []
  /** Two processes. */
  const authenticators = [1, 2].map(() => new Authenticator(database, (error) => errors.push(error))) as [
    Authenticator,
    Authenticator,
  ]
  onTestFinished(async () => {
    for (const authenticator of authenticators) await authenticator.close()
    await ledger.close()
    expect(errors).toEqual([])
  })
  return {
    authenticators,
    ledger,
    async makeUser(role: 'USER' | 'OPERATOR' = 'USER'): Promise<string> {
      const user = await ledger.users.create({ email: `${randomUUID()}@example.com`, passwordHash: null, role })
      return (user as { id: string }).id
    },
    async signIn(userId: string): Promise<string> {
      return (await openSession(database, userId, { idleTimeoutMs: 3_600_000, lifetimeMs: 3_600_000 })).token
    },
    async makeAccount(ownerId: string | null): Promise<Account> {
      const created = await ledger.accounts.create({
        idempotencyKey: randomUUID(),
        ownerId,
        currency: 'EUR',
        name: null,
      })
      if ('refusal' in created) throw new Error(created.refusal)
      return created.account
    },
  }
}

test('a viewer holds all accounts that they own, and no others', async () => {
  const { authenticators, makeUser, makeAccount, signIn } = await openHouse()
  const [ada, bert] = [await makeUser(), await makeUser()]
  const savings = await makeAccount(ada)
  await makeAccount(bert)
  await makeAccount(null)
  const viewer = await authenticators[0].check(await signIn(ada))
  expect(viewer).toEqual({
    userId: ada,
    role: 'USER',
    accountIds: new Set([accountOfUser(ada), savings.id]),
    key: `USER ${ada}`,
  })
})

test('an operator holds all', async () => {
  const { authenticators, makeUser, makeAccount, signIn } = await openHouse()
  const operator = await makeUser('OPERATOR')
  await makeAccount(operator)
  expect(await authenticators[0].check(await signIn(operator))).toMatchObject({ role: 'OPERATOR', accountIds: null })
})

test('a thousand accounts are read once for all sessions of their owner, and again when there is one more', async () => {
  const { authenticators, ledger, makeUser, makeAccount, signIn } = await openHouse()
  const [authenticator] = authenticators
  const [ada, bert] = [await makeUser(), await makeUser()]
  await ledger.test.pool.query(
    `insert into accounts (id, owner_id, currency) select gen_random_uuid(), $1, 'USD' from generate_series(1, 998)`,
    [ada],
  )
  const heldOf = async (token: string) => (await authenticator.check(token))?.accountIds
  const tokens = await Promise.all(Array.from({ length: 10 }, () => signIn(ada)))
  const [held, ...others] = await Promise.all(tokens.map(heldOf))
  expect(held?.size).toBe(999)
  for (const other of others) expect(other).toBe(held)
  // Also by a session that is read by itself.
  expect(await heldOf(await signIn(ada))).toBe(held)
  expect(await heldOf(await signIn(bert))).toEqual(new Set([accountOfUser(bert)]))

  const newest = await makeAccount(ada)
  expect(await heldOf(await signIn(ada))).toEqual(new Set([...(held ?? []), newest.id]))
})

test('a viewer holds a new account soon, in every process, and is still who they were', async () => {
  const { authenticators, makeUser, makeAccount, signIn } = await openHouse()
  const ada = await makeUser()
  const token = await signIn(ada)
  const before = await Promise.all(authenticators.map((authenticator) => authenticator.check(token)))
  const ended: string[] = []
  for (const [index, authenticator] of authenticators.entries()) {
    const viewer = before[index]
    if (!viewer) throw new Error('nobody is signed in')
    onTestFinished(authenticator.watch(token, viewer, () => ended.push(token)))
  }
  const savings = await makeAccount(ada)
  const held = new Set<AccountId>([accountOfUser(ada), savings.id])
  for (const [index, authenticator] of authenticators.entries()) {
    await vi.waitFor(async () => expect((await authenticator.check(token))?.accountIds).toEqual(held))
    const old = before[index] as NonNullable<(typeof before)[number]>
    expect(old.accountIds).toEqual(new Set([accountOfUser(ada)]))
    expect(authenticator.latest(token, old)).toEqual({ ...old, accountIds: held })
    // Of somebody else it says nothing.
    const other = { ...old, key: 'USER nobody' }
    expect(authenticator.latest(token, other)).toBe(other)
  }
  expect(ended).toEqual([])
})
