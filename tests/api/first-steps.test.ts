import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { readEntryCursor } from '../support/cursors.ts'
import type { TestServer } from '../support/server.ts'
import { entriesOf, openStory, type PostedTransaction, STORY } from '../support/story.ts'

describe('a story, each test of which goes on where the one before ended', { shuffle: false }, () => {
  /* What can be read. */

  let server: TestServer
  let users: string[]
  let posted: PostedTransaction[]
  const entries = (user: number) => entriesOf(user, { posted })

  async function ask(query: string, variables: Record<string, unknown> = {}) {
    const { data, errors } = await server.ask(query, variables)
    expect(errors).toBeUndefined()
    return data
  }

  beforeAll(async () => {
    ;({ server, users, posted } = await openStory())
  })

  afterAll(async () => {
    expect(await verifyLedger(server.database.pool)).toEqual([])
    expect(server.errorLines()).toEqual([])
    await server.close()
  })

  test('a user is found by a bare id, a prefixed one, and an address in any spelling', async () => {
    const id = users[0] as string
    const spellings = [`id: "${id}"`, `id: "${id.slice(5)}"`, `id: "${id.toUpperCase()}"`, 'email: " ADA@Example.com "']
    for (const spelling of spellings) {
      expect(await ask(`{ user(${spelling}) { id email role } }`)).toEqual({
        user: { id, email: 'ada@example.com', role: 'USER' },
      })
    }
  })

  test('a transaction is found by a bare id, a prefixed one, and its key in any case', async () => {
    const { id, idempotencyKey, createdAt } = posted[2] as PostedTransaction
    const bare = id.slice('transaction_'.length)
    const key = `idempotencyKey: "${idempotencyKey.toUpperCase()}"`
    for (const spelling of [`id: "${id}"`, `id: "${bare}"`, `id: "${bare.toUpperCase()}"`, key]) {
      expect(
        await ask(
          `{ transaction(${spelling}) { id kind amount createdAt source { owner { email } } destination { owner { email } } } }`,
        ),
      ).toEqual({
        transaction: {
          id,
          kind: 'TRANSFER',
          amount: '250',
          createdAt,
          source: { owner: { email: 'ada@example.com' } },
          destination: { owner: { email: 'grace@example.com' } },
        },
      })
    }
  })

  test('who and what there is none of is null, not an error', async () => {
    const id = randomUUID()
    const data = await ask(`{
    user(id: "${id}") { id } account(id: "${id}") { id } byEmail: user(email: "nobody@example.com") { id }
    transaction(id: "${id}") { id } byKey: transaction(idempotencyKey: "${id}") { id }
    balances(accountIds: ["${id}"]) { amount }
    nodes(ids: ["user_${id}", "account_${id}", "transaction_${id}", "entry_${id}_1", "entry_${users[0]?.slice(5)}_999"]) { id }
  }`)
    expect(data).toEqual({
      user: null,
      account: null,
      byEmail: null,
      transaction: null,
      byKey: null,
      balances: [null],
      nodes: [null, null, null, null, null],
    })
  })

  test('an account is its entries, newest first, each with the running balance', async () => {
    for (const [index, id] of users.entries()) {
      const data = await ask(
        `query ($id: ID!) { account(id: $id) { transactions(first: 100) { edges {
        id cursor sequence direction change balanceAfter createdAt node { id } transaction { id } } } } }`,
        { id },
      )
      const expected = entries(index).map(({ transactionId, ...entry }, position) => ({
        ...entry,
        id: `${id.replace('user', 'entry')}_${position + 1}`,
        cursor: expect.any(String),
        sequence: position + 1,
        node: { id: transactionId },
        transaction: { id: transactionId },
      }))
      expect(data.account.transactions.edges).toEqual(expected.reverse())
    }
  })

  test('anything is fetched again by its id alone, alone or among others, in the order asked for', async () => {
    const entry = `${users[1]?.replace('user', 'entry')}_2`
    const ids = [entry, users[3], posted[0]?.id, users[0], entry, `user_${randomUUID()}`, posted[6]?.id]
    const fields = `__typename id ... on User { email } ... on Transaction { amount } ... on LedgerEntry { change balanceAfter node { id } }`
    const { nodes } = await ask(`query ($ids: [ID!]!) { nodes(ids: $ids) { ${fields} } }`, { ids })
    const seen = {
      __typename: 'LedgerEntry',
      id: entry,
      change: '250',
      balanceAfter: '9007199254741243',
      node: { id: posted[2]?.id },
    }
    expect(nodes).toEqual([
      seen,
      { __typename: 'User', id: users[3], email: 'mary@example.com' },
      { __typename: 'Transaction', id: posted[0]?.id, amount: '100000' },
      { __typename: 'User', id: users[0], email: 'ada@example.com' },
      seen,
      null,
      { __typename: 'Transaction', id: posted[6]?.id, amount: '42' },
    ])
    for (const [index, id] of ids.entries()) {
      expect((await ask(`query ($id: ID!) { node(id: $id) { ${fields} } }`, { id })).node).toEqual(nodes[index])
    }
  })

  test('a balance is the sum of the account, and asking again with its asOf gives the same answer', async () => {
    for (const [index, id] of users.entries()) {
      const expected = entries(index)
      const { account } = await ask(
        'query ($id: ID!) { account(id: $id) { balance { amount asOf sequence cursor account { id } } } }',
        { id },
      )
      expect(account.balance).toEqual({
        amount: expected.at(-1)?.balanceAfter ?? '0',
        asOf: expected.at(-1)?.createdAt ?? null,
        sequence: expected.length,
        cursor: expect.any(String),
        account: { id: id.replace('user', 'account') },
      })
      expect(readEntryCursor(account.balance.cursor)).toMatchObject({
        accountId: id.slice(5),
        sequence: expected.length,
      })
      const again = await ask(
        'query ($id: ID!, $asOf: DateTime) { account(id: $id) { balance(asOf: $asOf) { amount asOf sequence cursor account { id } } } }',
        { id, asOf: account.balance.asOf },
      )
      expect(again.account.balance).toEqual(account.balance)
    }
  })

  test('the balance as of an entry includes it, and a microsecond earlier it does not', async () => {
    for (const [index, id] of users.entries()) {
      const expected = entries(index)
      for (const [position, { createdAt, balanceAfter }] of expected.entries()) {
        const earlier = createdAt.replace(
          /(\d{6})Z$/,
          (_all, digits) => `${String(Number(digits) - 1).padStart(6, '0')}Z`,
        )
        if (createdAt.endsWith('.000000Z')) continue
        const { account } = await ask(
          'query ($id: ID!, $at: DateTime, $earlier: DateTime) { account(id: $id) { at: balance(asOf: $at) { amount asOf sequence } earlier: balance(asOf: $earlier) { amount asOf sequence } } }',
          { id, at: createdAt, earlier },
        )
        expect(account).toEqual({
          at: { amount: balanceAfter, asOf: createdAt, sequence: position + 1 },
          earlier: { amount: expected[position - 1]?.balanceAfter ?? '0', asOf: earlier, sequence: position },
        })
      }
    }
  })

  test('a moment is told in UTC with six digits, whatever zone it was asked in', async () => {
    const { account } = await ask(
      'query ($id: ID!) { account(id: $id) { balance(asOf: "2024-02-29T23:30:00.5-01:30") { asOf amount } } }',
      { id: users[0] },
    )
    expect(account.balance).toEqual({ asOf: '2024-03-01T01:00:00.500000Z', amount: '0' })
  })

  test('balances answer in the order and length of what was asked, null where there is nobody', async () => {
    const nobody = randomUUID()
    const ids = [users[2], nobody, users[0]?.slice(5), users[3], users[0], users[2], `user_${nobody}`]
    const numbers = [2, null, 0, 3, 0, 2, null]
    const expected = numbers.map((user) =>
      user === null
        ? null
        : {
            account: { id: users[user]?.replace('user', 'account') },
            amount: entries(user).at(-1)?.balanceAfter ?? '0',
          },
    )
    expect(
      (await ask('query ($ids: [ID!]!) { balances(accountIds: $ids) { account { id } amount } }', { ids })).balances,
    ).toEqual(expected)
    expect((await ask('{ balances(accountIds: []) { amount } }')).balances).toEqual([])
    const asOf = posted[2]?.createdAt
    const past = await ask(
      'query ($ids: [ID!]!, $asOf: DateTime) { balances(accountIds: $ids, asOf: $asOf) { amount asOf } }',
      { ids: users, asOf },
    )
    expect(past.balances).toEqual(['99750', '9007199254741243', '0', '0'].map((amount) => ({ amount, asOf })))
  })

  test('the whole ledger adds up', async () => {
    const deposited = STORY.reduce((sum, [source, , amount]) => sum + (source === null ? amount : 0n), 0n)
    expect(
      (
        await ask(
          '{ ledger { userCount accountCount transactionCount totals { currency { code } deposited balances } } }',
        )
      ).ledger,
    ).toEqual({
      userCount: users.length,
      accountCount: users.length,
      transactionCount: STORY.length,
      totals: [{ currency: { code: 'USD' }, deposited: `${deposited}`, balances: `${deposited}` }],
    })
  })

  test('siblings add up while money moves', async () => {
    const [source, destination] = users
    const moves = Array.from({ length: 40 }, (_, index) =>
      ask('mutation ($input: TransferInput!) { transfer(input: $input) { ... on TransferSuccess { replayed } } }', {
        input: {
          idempotencyKey: randomUUID(),
          sourceAccountId: index % 2 ? source : destination,
          destinationAccountId: index % 2 ? destination : source,
          amount: 1000 + (index % 2),
        },
      }),
    )
    let done = false
    const all = Promise.all(moves).finally(() => {
      done = true
    })
    const sums = new Set<bigint>()
    do {
      const { a, b } = await ask(
        'query ($a: ID!, $b: ID!) { a: account(id: $a) { balance { amount } } b: account(id: $b) { balance { amount } } }',
        { a: source, b: destination },
      )
      sums.add(BigInt(a.balance.amount) + BigInt(b.balance.amount))
    } while (!done)
    await all
    expect([...sums]).toEqual([9_007_199_254_740_993n + 100_000n - 1n])
  })

  test('the fields of one mutation run one after another, and each sees those before it', async () => {
    const fields = (key: string) => `(input: { idempotencyKey: "${key}", accountId: "${users[3]}", amount: 5 }) {
    ... on DepositSuccess { entry { sequence balanceAfter } transaction { destination { balance { amount sequence } } } } }`
    const { a, b } = await ask(`mutation { a: deposit${fields(randomUUID())} b: deposit${fields(randomUUID())} }`)
    expect([a, b]).toEqual(
      [1, 2].map((sequence) => ({
        entry: { sequence, balanceAfter: `${5 * sequence}` },
        transaction: { destination: { balance: { amount: `${5 * sequence}`, sequence } } },
      })),
    )
  })

  test('what several fields name by one id is answered in each of them', async () => {
    const ids = [users[0], users[1], users[0]]
    const { a, b, c } = await ask(
      'query ($ids: [ID!]!, $id: ID!) { a: nodes(ids: $ids) { id } b: nodes(ids: $ids) { id } c: node(id: $id) { id } }',
      { ids, id: users[0] },
    )
    expect(a).toEqual(ids.map((id) => ({ id })))
    expect([b, c]).toEqual([a, { id: users[0] }])
  })

  test('the balances of one level add up, also where one user is named by id and another by e-mail', async () => {
    const [ada, grace] = users as [string, string]
    let moving = true
    let moves = 0
    const movers = [
      [ada, grace],
      [grace, ada],
    ].map(async ([source, destination]) => {
      for (; moving; moves++) {
        const input = {
          idempotencyKey: randomUUID(),
          sourceAccountId: source,
          destinationAccountId: destination,
          amount: 7,
        }
        await ask('mutation ($input: TransferInput!) { transfer(input: $input) { __typename } }', { input })
      }
    })
    const sums = new Set<bigint>()
    for (let count = 0; count < 150 || moves < 20; count++) {
      const { one, other } = await ask(
        `{ one: user(id: "${ada}") { account { balance { amount } } } other: user(email: "grace@example.com") { account { balance { amount } } } }`,
      )
      sums.add(BigInt(one.account.balance.amount) + BigInt(other.account.balance.amount))
    }
    moving = false
    await Promise.all(movers)
    expect(sums.size).toBe(1)
  })
})
