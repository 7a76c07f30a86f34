import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { getNamedType, isAbstractType, isObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { schema } from '../../src/schema/index.ts'
import { openStream } from '../support/graphql-transport.ts'
import { everythingOf, otherTypes, type Person, ruledFields, signUp } from '../support/rights.ts'
import { type Answer, openTestServer, type TestServer } from '../support/server.ts'

describe('rights, of which the last test changes what is on record', { shuffle: false }, async () => {
  /*
   * The table of rights in docs/security.md, field by field, as a stranger, as a user about what is theirs and what is others',
   * and as an operator. Ada has paid Grace; Mallory has nothing to do with either.
   */

  const WORLD = { ada: {} as Person, grace: {} as Person, mallory: {} as Person, operator: {} as Person }
  let server: TestServer
  /** What is Ada's: ids, and the words of her privacy, which are nowhere else. */
  const things = {
    transfer: '',
    transferKey: '',
    deposit: '',
    depositKey: '',
    entry: '',
    attempt: '',
    cursor: '',
    forgetful: '',
  }

  beforeAll(async () => {
    server = await openTestServer({ USER_COST_MAX: '100000000', OPERATOR_COST_MAX: '100000000' })
    for (const name of ['ada', 'grace', 'mallory'] as const) WORLD[name] = await signUp(server, name)
    WORLD.operator = await signUp(server, 'operator', 'OPERATOR')
    const { ada, grace, mallory } = WORLD
    things.depositKey = randomUUID()
    things.transferKey = randomUUID()
    const deposit = await answerOf(
      `mutation { deposit(input: { idempotencyKey: "${things.depositKey}", userId: "${ada.id}", amount: 98765432 }) {
      ... on DepositSuccess { transaction { id } entry { id cursor } } } }`,
    )
    const transfer = await answerOf(
      `mutation { transfer(input: { idempotencyKey: "${things.transferKey}", sourceUserId: "${ada.id}", destinationUserId: "${grace.id}", amount: 1111 }) {
      ... on TransferSuccess { transaction { id } } } }`,
      ada,
    )
    await answerOf(
      `mutation { transfer(input: { idempotencyKey: "${randomUUID()}", sourceUserId: "${ada.id}", destinationUserId: "${mallory.id}", amount: 999999999 }) {
      ... on Error { code } } }`,
      ada,
    )
    await server.ask(
      `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", userId: "${grace.id}", amount: 5 }) { __typename } }`,
    )
    const { rows } = await untilRecorded()
    Object.assign(things, {
      deposit: deposit.data.deposit.transaction.id,
      entry: deposit.data.deposit.entry.id,
      cursor: deposit.data.deposit.entry.cursor,
      transfer: transfer.data.transfer.transaction.id,
      attempt: `attempt_${rows[0].id}`,
      forgetful: (await signUp(server, 'forgetful')).id,
    })
  })
  afterAll(() => server.close())

  /** Attempts are written down a moment after they are answered. */
  async function untilRecorded() {
    for (;;) {
      const found = await server.database.pool.query('select id from private.failed_transactions')
      if (found.rows.length > 0) return found
    }
  }

  const answerOf = (query: string, person: Person | null = WORLD.operator): Promise<Answer> =>
    server.ask(query, {}, person?.authorization ?? {})

  /** How each ruled field is asked about Ada; a mutation changes nothing that another is asked about. */
  const ASKS: Readonly<Record<string, () => string>> = {
    'Query.viewer': () => '{ answer: viewer { id } }',
    'Query.user': () => `{ answer: user(id: "${WORLD.ada.id}") { id } }`,
    'Query.users': () => '{ answer: users { edges { node { id } } } }',
    'Query.balances': () => `{ answer: balances(userIds: ["${WORLD.ada.id}"]) { amount } }`,
    'Query.transaction': () => `{ answer: transaction(id: "${things.deposit}") { id } }`,
    'Query.transactions': () => '{ answer: transactions { edges { node { id } } } }',
    'Query.failedTransactions': () => '{ answer: failedTransactions { edges { node { id } } } }',
    'Query.ledger': () => '{ answer: ledger { userCount } }',
    'Query.apiTokens': () => '{ answer: apiTokens { id } }',
    'Query.node': () => `{ answer: node(id: "${things.entry}") { id } }`,
    'Query.nodes': () =>
      `{ answer: nodes(ids: ["${WORLD.ada.id}", "${things.deposit}", "${things.entry}", "${things.attempt}"]) { id } }`,
    'Mutation.login': () =>
      'mutation { answer: login(input: { email: "nobody@private.example", password: "wrong horse" }) { __typename } }',
    'Mutation.logout': () => 'mutation { answer: logout { ... on LogoutSuccess { endedAt } } }',
    'Mutation.createUser': () =>
      `mutation { answer: createUser(input: { email: "${randomUUID()}@private.example" }) { __typename } }`,
    'Mutation.updateUser': () =>
      `mutation { answer: updateUser(input: { userId: "${WORLD.ada.id}", role: USER }) { __typename } }`,
    'Mutation.setPassword': () =>
      `mutation { answer: setPassword(input: { userId: "${things.forgetful}", password: "correct horse" }) { __typename } }`,
    'Mutation.changePassword': () =>
      'mutation { answer: changePassword(input: { currentPassword: "wrong horse", newPassword: "correct horse" }) { __typename } }',
    'Mutation.deposit': () =>
      `mutation { answer: deposit(input: { idempotencyKey: "${things.depositKey}", userId: "${WORLD.ada.id}", amount: 98765432 }) { __typename } }`,
    'Mutation.transfer': () =>
      `mutation { answer: transfer(input: { idempotencyKey: "${things.transferKey}", sourceUserId: "${WORLD.ada.id}", destinationUserId: "${WORLD.grace.id}", amount: 1111 }) { __typename } }`,
    'Mutation.postTransactions': () =>
      `mutation { answer: postTransactions(input: { atomic: false, transactions: [{ transfer: { idempotencyKey: "${things.transferKey}", sourceUserId: "${WORLD.ada.id}", destinationUserId: "${WORLD.grace.id}", amount: 1111 } }] }) {
      __typename ... on PostTransactionsSuccess { results { __typename } } } }`,
    'Mutation.addressFailedTransaction': () =>
      `mutation { answer: addressFailedTransaction(input: { id: "${things.attempt}" }) { __typename } }`,
    'Mutation.createApiToken': () =>
      `mutation { answer: createApiToken(input: { name: "a", role: USER, accountIds: ["${WORLD.ada.id}"] }) { __typename } }`,
    'Mutation.revokeApiToken': () =>
      `mutation { answer: revokeApiToken(input: { id: "token_${randomUUID()}" }) { __typename } }`,
    'Subscription.entryPosted': () =>
      `subscription { answer: entryPosted(userId: "${WORLD.ada.id}", since: "${things.cursor}") { sequence } }`,
    'Subscription.transactionPosted': () => 'subscription { answer: transactionPosted { cursor } }',
    ...Object.fromEntries(
      ['id', 'email', 'role', 'createdAt', 'updatedAt', 'balance { amount }', 'transactions { totalCount }']
        .concat('balanceHistory(from: "2024-01-01T00:00:00Z", to: "2999-01-01T00:00:00Z", bucket: MONTH) { closing }')
        .map((field) => [
          `User.${/^\w+/.exec(field)}`,
          // As the other side of a transaction that both may see.
          () => `{ transaction(id: "${things.transfer}") { source { answer: ${field} } } }`,
        ]),
    ),
    'Transaction.idempotencyKey': () => `{ transaction(id: "${things.transfer}") { answer: idempotencyKey } }`,
  }

  const security = await readFile(new URL('../../docs/security.md', import.meta.url), 'utf8')
  const TABLE = [...security.matchAll(/^\| `(\w+\.\w+)` \|(.*?)\|(.*?)\|(.*?)\|(.*?)\|$/gm)].map(
    ([, field = '', ...cells]) => {
      const [stranger = '', own = '', others = '', operator = ''] = cells.map((cell) => cell.trim())
      return { field, stranger, own, others, operator }
    },
  )

  test('every field has its row in the table, and every row its field', () => {
    expect(TABLE.map(({ field }) => field).sort()).toEqual([...ruledFields(), 'Transaction.idempotencyKey'].sort())
    expect(Object.keys(ASKS).sort()).toEqual(TABLE.map(({ field }) => field).sort())
    const named = /^\| things \|[\s\S]*?\n\n/m.exec(security)?.[0] ?? ''
    expect([...named.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()).toEqual(otherTypes().sort())
  })

  /** What became of a question, in the words of the table. */
  async function outcomeOf(field: string, person: Person | null): Promise<string> {
    const query = (ASKS[field] as () => string)()
    let answer: Answer
    if (field.startsWith('Subscription.')) {
      const token = person?.authorization.authorization.slice('Bearer '.length) ?? null
      const stream = await openStream(server.endpoint, { query }, token)
      // The feed of the whole ledger tells of something new: Mallory is given a cent.
      if (field.endsWith('transactionPosted'))
        await answerOf(
          `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", userId: "${WORLD.mallory.id}", amount: 1 }) { __typename } }`,
        )
      answer = (await stream.waitForEvent()).data as Answer
      stream.abort()
    } else answer = await answerOf(query, person)
    const code = answer.errors?.[0]?.extensions?.code
    if (code === 'UNAUTHENTICATED' || code === 'FORBIDDEN') {
      expect(code).toBe(person === null ? 'UNAUTHENTICATED' : 'FORBIDDEN')
      expect(JSON.stringify(answer.data ?? null)).toMatch(/^(null|\{"\w+":null\})$/)
      return 'no'
    }
    if (code !== undefined) return `\`${code}\``
    const told =
      answer.data.answer === undefined
        ? (answer.data.transaction?.source?.answer ?? answer.data.transaction?.answer)
        : answer.data.answer
    if (told === null || told === undefined) return 'null'
    if (Array.isArray(told)) return told.length > 0 && told.every((item) => item === null) ? 'null' : 'yes'
    if (told.edges?.length === 0) return 'left out'
    const typename = told.results?.[0]?.__typename ?? told.__typename
    return typename === 'UserNotFoundError' ? '`UserNotFoundError`' : 'yes'
  }

  describe.each(TABLE)('$field', ({ field, stranger, own, others, operator }) => {
    test('for a stranger', async () => {
      if (stranger === '') expect(await outcomeOf(field, null)).toMatch(/^(null|no)$/)
      else expect(await outcomeOf(field, null)).toBe(stranger)
    })

    test('for its owner', async () => {
      // Whoever logs out is somebody else afterwards.
      const owner = field === 'Mutation.logout' ? await signUp(server, 'leaving') : WORLD.ada
      expect(await outcomeOf(field, owner)).toBe(own === 'transfers' ? 'yes' : own)
    })

    test('for another user', async () => {
      if (others === '') return expect(['Query.viewer', 'Mutation.logout', 'Mutation.changePassword']).toContain(field)
      // Of Ada's own transactions, that of her and Grace is both theirs.
      expect(
        await outcomeOf(
          field,
          field.startsWith('User.') || field.startsWith('Transaction.') ? WORLD.grace : WORLD.mallory,
        ),
      ).toBe(others)
    })

    test('for an operator', async () => {
      const person = field === 'Mutation.logout' ? await signUp(server, 'leaving', 'OPERATOR') : WORLD.operator
      expect(await outcomeOf(field, person)).toBe(operator)
    })
  })

  test('a deposit among several postings is for operators, and takes the others with it', async () => {
    const { ada } = WORLD
    const query = `mutation { answer: postTransactions(input: { atomic: false, transactions: [{ deposit: { idempotencyKey: "${randomUUID()}", userId: "${ada.id}", amount: 1 } }] }) { __typename } }`
    expect((await answerOf(query, ada)).errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  })

  describe('what is not yours is answered as what is not there', () => {
    const NOTHING = '018f0000-0000-7000-8000-000000000000'
    const pairs: readonly (readonly [
      name: string,
      about: (id: string) => string,
      theirs: () => string,
      none: string,
    ])[] = [
      ['user', (id) => `{ user(id: "${id}") { id email balance { amount } } }`, () => WORLD.ada.id, `user_${NOTHING}`],
      [
        'user by e-mail',
        (email) => `{ user(email: "${email}") { id } }`,
        () => WORLD.ada.email,
        'none@private.example',
      ],
      ['balances', (id) => `{ balances(userIds: ["${id}"]) { amount } }`, () => WORLD.ada.id, `user_${NOTHING}`],
      ['transaction', (id) => `{ transaction(id: "${id}") { id } }`, () => things.deposit, `transaction_${NOTHING}`],
      [
        'transaction by key',
        (key) => `{ transaction(idempotencyKey: "${key}") { id } }`,
        () => things.depositKey,
        NOTHING,
      ],
      ['an entry', (id) => `{ node(id: "${id}") { id } }`, () => things.entry, `entry_${NOTHING}_1`],
      ['an attempt', (id) => `{ nodes(ids: ["${id}"]) { id } }`, () => things.attempt, `attempt_${NOTHING}`],
      [
        'attempts of a user',
        (id) => `{ failedTransactions(filter: { userId: "${id}" }) { edges { cursor } } }`,
        () => WORLD.ada.id,
        `user_${NOTHING}`,
      ],
      [
        'a transfer from their account',
        (id) =>
          `mutation { transfer(input: { idempotencyKey: "${randomUUID()}", sourceUserId: "${id}", destinationUserId: "${WORLD.mallory.id}", amount: 1 }) { __typename ... on Error { code message retryable } } }`,
        () => WORLD.ada.id,
        `user_${NOTHING}`,
      ],
      [
        'a transfer from their account with their key',
        (id) =>
          `mutation { transfer(input: { idempotencyKey: "${things.transferKey}", sourceUserId: "${id}", destinationUserId: "${WORLD.grace.id}", amount: 1111 }) { __typename ... on Error { code message retryable } } }`,
        () => WORLD.ada.id,
        `user_${NOTHING}`,
      ],
    ]
    test.each(pairs)('%s', async (_name, about, theirs, none) => {
      const answer = await answerOf(about(theirs()), WORLD.mallory)
      expect(answer).toEqual(await answerOf(about(none), WORLD.mallory))
      expect(answer).not.toEqual(await answerOf(about(theirs()), WORLD.operator))
    })

    test("an account's subscription, with and without a cursor of it", async () => {
      const token = WORLD.mallory.authorization.authorization.slice('Bearer '.length)
      const told = async (userId: string) => {
        const stream = await openStream(
          server.endpoint,
          { query: `subscription { entryPosted(userId: "${userId}", since: "${things.cursor}") { sequence } }` },
          token,
        )
        return (await stream.waitForEvent()).data
      }
      expect(await told(WORLD.ada.id)).toEqual(await told(`user_${NOTHING}`))
    })
  })

  /** Everything the schema has, from every root that reads, about Ada. */
  function everythingAboutAda(): [string, string][] {
    const query = schema.getQueryType()
    if (!isObjectType(query)) throw new Error('the schema has no queries')
    const { ada } = WORLD
    const calls: Record<string, string[]> = {
      user: [`(id: "${ada.id}")`, `(email: "${ada.email}")`],
      balances: [`(userIds: ["${ada.id}"])`],
      transaction: [
        `(id: "${things.transfer}")`,
        `(id: "${things.deposit}")`,
        `(idempotencyKey: "${things.transferKey}")`,
        `(idempotencyKey: "${things.depositKey}")`,
      ],
      node: [ada.id, things.transfer, things.deposit, things.entry, things.attempt].map((id) => `(id: "${id}")`),
      nodes: [`(ids: ["${ada.id}", "${things.deposit}", "${things.entry}", "${things.attempt}"])`],
    }
    return Object.values(query.getFields()).flatMap((field) =>
      (calls[field.name] ?? ['']).flatMap((call): [string, string][] => {
        const type = getNamedType(field.type)
        const selections = isAbstractType(type)
          ? schema.getPossibleTypes(type).map((each) => `{ ... on ${each.name} ${everythingOf(each, 4)} }`)
          : [everythingOf(field.type, 4)]
        return selections.map((selection) => [`${field.name}${call}`, `{ ${field.name}${call} ${selection} }`])
      }),
    )
  }

  test('whatever is asked, in all its fields, tells others nothing of what is hers alone', async () => {
    const { ada, grace, mallory } = WORLD
    const hers = await answerOf(`{ user(id: "${ada.id}") { createdAt updatedAt balance { amount cursor } } }`, ada)
    const { createdAt, updatedAt, balance } = hers.data.user
    const secrets = [ada.email, ada.email.split('@')[0], createdAt, updatedAt, balance.amount, '98765432', '999999999']
      .concat([things.depositKey, things.transferKey, things.deposit, things.entry, things.attempt, balance.cursor])
      .map(String)
    let seen = 0
    for (const [name, query] of everythingAboutAda()) {
      // Nothing is refused for being too much: what is not answered would prove nothing.
      const all = await answerOf(query, WORLD.operator)
      expect(all.errors, name).toBeUndefined()
      seen += secrets.filter((secret) => JSON.stringify(all).includes(secret)).length
      for (const person of [grace, mallory, null]) {
        const told = JSON.stringify(await answerOf(query, person))
        expect(
          secrets.filter((secret) => told.includes(secret) && !query.includes(secret)),
          `${name} as ${person?.email}`,
        ).toEqual([])
      }
    }
    // The operator has seen them all, most of them many times: the walk goes where they are.
    expect(seen).toBeGreaterThan(secrets.length * 3)
  })

  test('a page whose other sides are asked for all they have comes back, with nulls', async () => {
    const { grace, ada } = WORLD
    const query = `{ viewer { transactions(first: 5) { edges { change node { source { id email role createdAt updatedAt balance { amount } transactions { totalCount } } } } } } }`
    const { data, errors } = await answerOf(query, grace)
    expect(errors).toBeUndefined()
    expect(data.viewer.transactions.edges).toHaveLength(2)
    expect(data.viewer.transactions.edges[1].node.source).toEqual({
      id: ada.id,
      email: null,
      role: null,
      createdAt: null,
      updatedAt: null,
      balance: null,
      transactions: null,
    })
  })

  // Last: what Grace does here is on record for her, with the key.
  test('a key that somebody else used is in use, and no more is told', async () => {
    const { mallory, grace, ada } = WORLD
    const post = (person: Person, amount: number) =>
      answerOf(
        `mutation { transfer(input: { idempotencyKey: "${things.transferKey}", sourceUserId: "${person.id}", destinationUserId: "${grace.id === person.id ? ada.id : grace.id}", amount: ${amount} }) {
        ... on IdempotencyConflictError { differingFields conflict: transaction { id } } } }`,
        person,
      )
    expect((await post(mallory, 1111)).data.transfer).toEqual({ differingFields: [], conflict: null })
    // Also to the payee, who sees the transaction otherwise: the key belongs to the payer.
    expect((await post(grace, 1111)).data.transfer).toEqual({ differingFields: [], conflict: null })
    expect((await post(ada, 1112)).data.transfer).toMatchObject({ differingFields: ['amount'] })
  })
})
