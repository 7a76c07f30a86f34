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
   * and as an operator. Ada has paid Grace; Mallory has nothing to do with either. A service
   * acts for Ada's account.
   */

  const WORLD = {
    ada: {} as Person,
    grace: {} as Person,
    mallory: {} as Person,
    operator: {} as Person,
    /** A token for the main account of Ada. */
    service: {} as Person,
  }
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
    received: '',
    reversalKey: '',
    account: '',
    privateName: 'Ada in private',
  }

  beforeAll(async () => {
    server = await openTestServer({ USER_COST_MAX: '100000000', OPERATOR_COST_MAX: '100000000' })
    for (const name of ['ada', 'grace', 'mallory'] as const) WORLD[name] = await signUp(server, name)
    WORLD.operator = await signUp(server, 'operator', 'OPERATOR')
    const { ada, grace, mallory } = WORLD
    things.depositKey = randomUUID()
    things.transferKey = randomUUID()
    const deposit = await answerOf(
      `mutation { deposit(input: { idempotencyKey: "${things.depositKey}", accountId: "${ada.id}", amount: 98765432 }) {
      ... on DepositSuccess { transaction { id } entry { id cursor } } } }`,
    )
    const transfer = await answerOf(
      `mutation { transfer(input: { idempotencyKey: "${things.transferKey}", sourceAccountId: "${ada.id}", destinationAccountId: "${grace.id}", amount: 1111 }) {
      ... on TransferSuccess { transaction { id } } } }`,
      ada,
    )
    await answerOf(
      `mutation { transfer(input: { idempotencyKey: "${randomUUID()}", sourceAccountId: "${ada.id}", destinationAccountId: "${mallory.id}", amount: 999999999 }) {
      ... on Error { code } } }`,
      ada,
    )
    await server.ask(
      `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${grace.id}", amount: 5 }) { __typename } }`,
    )
    const received = await answerOf(
      `mutation { transfer(input: { idempotencyKey: "${randomUUID()}", sourceAccountId: "${grace.id}", destinationAccountId: "${ada.id}", amount: 3 }) {
      ... on TransferSuccess { transaction { id } } } }`,
      grace,
    )
    things.received = received.data.transfer.transaction.id
    things.reversalKey = randomUUID()
    things.account = ada.id.replace('user', 'account')
    await answerOf(
      `mutation { updateAccount(input: { accountId: "${ada.id}", name: "${things.privateName}", publicName: "Ada" }) { __typename } }`,
      ada,
    )
    const service = await answerOf(
      `mutation { createApiToken(input: { name: "a", role: USER, accountIds: ["${things.account}"] }) {
      ... on CreateApiTokenSuccess { token } } }`,
    )
    const authorization = `Bearer ${service.data.createApiToken.token}`
    WORLD.service = { id: '', email: '', authorization: { authorization } }
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
    'Query.account': () => `{ answer: account(id: "${things.account}") { id } }`,
    'Query.accounts': () => `{ answer: accounts(filter: { ownerId: "${WORLD.ada.id}" }) { edges { node { id } } } }`,
    'Query.currencies': () => '{ answer: currencies { code } }',
    'Query.balances': () => `{ answer: balances(accountIds: ["${things.account}"]) { amount } }`,
    'Query.transaction': () => `{ answer: transaction(id: "${things.deposit}") { id } }`,
    'Query.transactions': () => '{ answer: transactions { edges { node { id } } } }',
    'Query.failedTransactions': () => '{ answer: failedTransactions { edges { node { id } } } }',
    'Query.ledger': () => '{ answer: ledger { userCount } }',
    'Query.apiTokens': () => '{ answer: apiTokens { id } }',
    'Query.node': () => `{ answer: node(id: "${things.entry}") { id } }`,
    'Query.nodes': () =>
      `{ answer: nodes(ids: ["${WORLD.ada.id}", "${things.account}", "${things.deposit}", "${things.entry}", "${things.attempt}"]) { id } }`,
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
    'Mutation.createAccount': () =>
      `mutation { answer: createAccount(input: { idempotencyKey: "${randomUUID()}", ownerId: "${WORLD.mallory.id}" }) { __typename } }`,
    'Mutation.updateAccount': () =>
      `mutation { answer: updateAccount(input: { accountId: "${things.account}", name: "${things.privateName}" }) { __typename } }`,
    'Mutation.setAccountStatus': () =>
      `mutation { answer: setAccountStatus(input: { accountId: "${things.account}", status: OPEN }) { __typename } }`,
    'Mutation.createCurrency': () =>
      'mutation { answer: createCurrency(input: { code: "USD", scale: 2 }) { __typename } }',
    'Mutation.deposit': () =>
      `mutation { answer: deposit(input: { idempotencyKey: "${things.depositKey}", accountId: "${WORLD.ada.id}", amount: 98765432 }) { __typename } }`,
    'Mutation.transfer': () =>
      `mutation { answer: transfer(input: { idempotencyKey: "${things.transferKey}", sourceAccountId: "${WORLD.ada.id}", destinationAccountId: "${WORLD.grace.id}", amount: 1111 }) { __typename } }`,
    'Mutation.withdraw': () =>
      `mutation { answer: withdraw(input: { idempotencyKey: "${things.depositKey}", accountId: "${WORLD.ada.id}", amount: 1 }) { __typename } }`,
    'Mutation.reverseTransaction': () =>
      `mutation { answer: reverseTransaction(input: { idempotencyKey: "${things.reversalKey}", transactionId: "${things.received}" }) { __typename } }`,
    'Mutation.postTransactions': () =>
      `mutation { answer: postTransactions(input: { atomic: false, transactions: [{ transfer: { idempotencyKey: "${things.transferKey}", sourceAccountId: "${WORLD.ada.id}", destinationAccountId: "${WORLD.grace.id}", amount: 1111 } }] }) {
      __typename ... on PostTransactionsSuccess { results { __typename } } } }`,
    'Mutation.addressFailedTransaction': () =>
      `mutation { answer: addressFailedTransaction(input: { id: "${things.attempt}" }) { __typename } }`,
    'Mutation.createApiToken': () =>
      `mutation { answer: createApiToken(input: { name: "a", role: USER, accountIds: ["${things.account}"] }) { __typename } }`,
    'Mutation.revokeApiToken': () =>
      `mutation { answer: revokeApiToken(input: { id: "token_${randomUUID()}" }) { __typename } }`,
    'Subscription.entryPosted': () =>
      `subscription { answer: entryPosted(accountId: "${WORLD.ada.id}", since: "${things.cursor}") { sequence } }`,
    'Subscription.transactionPosted': () => 'subscription { answer: transactionPosted { cursor } }',
    ...Object.fromEntries(
      ['id', 'email', 'role', 'createdAt', 'updatedAt', 'account { id }', 'accounts { edges { node { id } } }'].map(
        (field) => [
          `User.${/^\w+/.exec(field)}`,
          // As the owner of an account.
          () => `{ account(id: "${things.account}") { owner { answer: ${field} } } }`,
        ],
      ),
    ),
    ...Object.fromEntries(
      ['id', 'currency { code }', 'owner { id }', 'name', 'publicName', 'status', 'createdAt', 'updatedAt']
        .concat('balance { amount }', 'transactions { totalCount }')
        .concat('balanceHistory(from: "2024-01-01T00:00:00Z", to: "2999-01-01T00:00:00Z", bucket: MONTH) { closing }')
        .map((field) => [
          `Account.${/^\w+/.exec(field)}`,
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
          `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${WORLD.mallory.id}", amount: 1 }) { __typename } }`,
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
        ? (answer.data.account?.owner?.answer ??
          answer.data.transaction?.source?.answer ??
          answer.data.transaction?.answer)
        : answer.data.answer
    if (told === null || told === undefined) return 'null'
    if (Array.isArray(told)) return told.length > 0 && told.every((item) => item === null) ? 'null' : 'yes'
    if (told.edges?.length === 0) return 'left out'
    const typename = told.results?.[0]?.__typename ?? told.__typename
    return /^(Account|Transaction)NotFoundError$/.test(typename) ? `\`${typename}\`` : 'yes'
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
      const { grace, mallory, service } = WORLD
      // Of Ada's own transactions, that of her and Grace is both theirs. Only a service sees whose its accounts are.
      const byType: Record<string, Person> = { User: service, Account: grace, Transaction: grace }
      expect(await outcomeOf(field, byType[field.split('.')[0] as string] ?? mallory)).toBe(others)
    })

    test('for an operator', async () => {
      const person = field === 'Mutation.logout' ? await signUp(server, 'leaving', 'OPERATOR') : WORLD.operator
      expect(await outcomeOf(field, person)).toBe(operator)
    })
  })

  test('a deposit among several postings is for operators, and takes the others with it', async () => {
    const { ada } = WORLD
    const query = `mutation { answer: postTransactions(input: { atomic: false, transactions: [{ deposit: { idempotencyKey: "${randomUUID()}", accountId: "${ada.id}", amount: 1 } }] }) { __typename } }`
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
      [
        'user',
        (id) => `{ user(id: "${id}") { id email account { balance { amount } } } }`,
        () => WORLD.ada.id,
        `user_${NOTHING}`,
      ],
      [
        'user by e-mail',
        (email) => `{ user(email: "${email}") { id } }`,
        () => WORLD.ada.email,
        'none@private.example',
      ],
      ['account', (id) => `{ account(id: "${id}") { id publicName } }`, () => things.account, `account_${NOTHING}`],
      [
        'accounts of a user',
        (id) => `{ accounts(filter: { ownerId: "${id}" }) { totalCount edges { cursor } } }`,
        () => WORLD.ada.id,
        `user_${NOTHING}`,
      ],
      ['balances', (id) => `{ balances(accountIds: ["${id}"]) { amount } }`, () => WORLD.ada.id, `user_${NOTHING}`],
      [
        'new names of an account',
        (id) =>
          `mutation { updateAccount(input: { accountId: "${id}", name: "${things.privateName}" }) { __typename ... on Error { code message retryable } } }`,
        () => things.account,
        `account_${NOTHING}`,
      ],
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
        'attempts of an account',
        (id) => `{ failedTransactions(filter: { accountId: "${id}" }) { edges { cursor } } }`,
        () => WORLD.ada.id,
        `user_${NOTHING}`,
      ],
      [
        'a transfer from their account',
        (id) =>
          `mutation { transfer(input: { idempotencyKey: "${randomUUID()}", sourceAccountId: "${id}", destinationAccountId: "${WORLD.mallory.id}", amount: 1 }) { __typename ... on Error { code message retryable } } }`,
        () => WORLD.ada.id,
        `user_${NOTHING}`,
      ],
      [
        'a transfer from their account with their key',
        (id) =>
          `mutation { transfer(input: { idempotencyKey: "${things.transferKey}", sourceAccountId: "${id}", destinationAccountId: "${WORLD.grace.id}", amount: 1111 }) { __typename ... on Error { code message retryable } } }`,
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
      const told = async (accountId: string) => {
        const stream = await openStream(
          server.endpoint,
          { query: `subscription { entryPosted(accountId: "${accountId}", since: "${things.cursor}") { sequence } }` },
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
      account: [`(id: "${things.account}")`],
      accounts: [`(filter: { ownerId: "${ada.id}" })`],
      balances: [`(accountIds: ["${ada.id}"])`],
      transaction: [
        `(id: "${things.transfer}")`,
        `(id: "${things.deposit}")`,
        `(idempotencyKey: "${things.transferKey}")`,
        `(idempotencyKey: "${things.depositKey}")`,
      ],
      node: [ada.id, things.account, things.transfer, things.deposit, things.entry, things.attempt].map(
        (id) => `(id: "${id}")`,
      ),
      nodes: [`(ids: ["${ada.id}", "${things.account}", "${things.deposit}", "${things.entry}", "${things.attempt}"])`],
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
    const hers = await answerOf(
      `{ user(id: "${ada.id}") { createdAt updatedAt account { updatedAt balance { amount cursor } } } }`,
      ada,
    )
    const { createdAt, updatedAt, account } = hers.data.user
    const { balance } = account
    const secrets = [ada.email, ada.email.split('@')[0], createdAt, updatedAt, balance.amount, '98765432', '999999999']
      .concat([
        things.depositKey,
        things.transferKey,
        things.deposit,
        things.entry,
        things.attempt,
        balance.cursor,
        account.updatedAt,
        things.privateName,
      ])
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
    const { grace } = WORLD
    const query = `{ viewer { account { transactions(first: 5) { edges { change node { source {
      id name publicName status currency { code } owner { email } createdAt updatedAt balance { amount } transactions { totalCount } } } } } } } }`
    const { data, errors } = await answerOf(query, grace)
    expect(errors).toBeUndefined()
    const edge = data.viewer.account.transactions.edges.find(({ change }: { change: string }) => change === '1111')
    expect(edge.node.source).toEqual({
      id: things.account,
      name: null,
      publicName: 'Ada',
      status: null,
      currency: null,
      owner: null,
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
        `mutation { transfer(input: { idempotencyKey: "${things.transferKey}", sourceAccountId: "${person.id}", destinationAccountId: "${grace.id === person.id ? ada.id : grace.id}", amount: ${amount} }) {
        ... on IdempotencyConflictError { differingFields conflict: transaction { id } } } }`,
        person,
      )
    expect((await post(mallory, 1111)).data.transfer).toEqual({ differingFields: [], conflict: null })
    // Also to the payee, who sees the transaction otherwise: the key belongs to the payer.
    expect((await post(grace, 1111)).data.transfer).toEqual({ differingFields: [], conflict: null })
    expect((await post(ada, 1112)).data.transfer).toMatchObject({ differingFields: ['amount'] })
  })
})
