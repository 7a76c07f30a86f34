import { randomUUID } from 'node:crypto'
import { verify } from '@node-rs/argon2'
import { afterEach, expect, test } from 'vitest'
import { countRows } from '../support/bad-input.ts'
import { signInOperator } from '../support/operator.ts'
import { useServer } from '../support/server.ts'

const server = useServer()

afterEach(() => {
  expect(server.errorLines()).toEqual([])
})

async function createUser(input: Record<string, unknown>) {
  const answer = await server.ask(
    `mutation ($input: CreateUserInput!) { createUser(input: $input) {
      __typename ... on Error { code message } ... on CreateUserSuccess { user { id email role createdAt updatedAt account { balance { amount sequence } } } } } }`,
    { input },
  )
  expect(answer.errors).toBeUndefined()
  return answer.data.createUser
}

test('a new user has an empty main account, and an address in its canonical form', async () => {
  const { __typename, user } = await createUser({ email: '  New.User@EXAMPLE.com ' })
  expect(__typename).toBe('CreateUserSuccess')
  expect(user).toMatchObject({
    id: expect.stringMatching(/^user_[0-9a-f]{8}-[0-9a-f]{4}-7/),
    email: 'new.user@example.com',
    role: 'USER',
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    account: { balance: { amount: '0', sequence: 0 } },
  })
  expect(user.updatedAt).toBe(user.createdAt)
})

test('an operator is made by one who is signed in, and by no token of a service', async () => {
  const make =
    'mutation { createUser(input: { email: "second@example.com", role: OPERATOR }) { ... on CreateUserSuccess { user { role } } } }'
  expect((await server.ask(make)).errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  const signedIn = { authorization: `Bearer ${await signInOperator(server.database)}` }
  expect((await server.ask(make, {}, signedIn)).data.createUser.user).toEqual({ role: 'OPERATOR' })
})

test.each([
  ['in another case', 'ÅSA@EXAMPLE.COM'],
  ['with spaces around it', ' \tåsa@example.com\n'],
  ['in another Unicode form', 'a\u030Asa@example.com'],
  ['in wide letters', 'åｓａ@example.com'],
])('one address %s is one user', async (_name, spelling) => {
  await createUser({ email: 'åsa@example.com' })
  const before = await countRows(server)
  expect(await createUser({ email: spelling })).toMatchObject({ __typename: 'EmailTakenError', code: 'EMAIL_TAKEN' })
  expect(await countRows(server)).toEqual(before)
  const { data } = await server.ask('query ($email: String!) { user(email: $email) { email } }', { email: spelling })
  expect(data.user).toEqual({ email: 'åsa@example.com' })
})

test('of many who want one address at once, one gets it', async () => {
  const email = `${randomUUID()}@example.com`
  const answers = await Promise.all(Array.from({ length: 10 }, () => createUser({ email, password: 'correct horse' })))
  expect(answers.map(({ __typename }) => __typename).sort()).toEqual([
    'CreateUserSuccess',
    ...Array(9).fill('EmailTakenError'),
  ])
})

test.each([
  ['of any script', 'пароль-密码-🔑'],
  ['with SQL in it', "'; drop table users; --x"],
  ['with spaces around it', '  correct horse  '],
  ['of the longest kind', 'x'.repeat(256)],
])('a password %s is kept as an argon2id hash alone', async (_name, password) => {
  const { user } = await createUser({ email: `${randomUUID()}@example.com`, password })
  const { rows } = await server.database.pool.query('select * from users where id = $1', [user.id.replace('user_', '')])
  expect(rows[0].password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]+\$[\w+/]+$/)
  expect(await verify(rows[0].password_hash, password)).toBe(true)
  expect(await verify(rows[0].password_hash, `${password}x`)).toBe(false)
  expect(JSON.stringify(rows)).not.toContain(password.slice(0, 8))
})

test('a user made without a password has no hash', async () => {
  const { user } = await createUser({ email: `${randomUUID()}@example.com`, password: null })
  const { rows } = await server.database.pool.query('select password_hash from users where id = $1', [user.id.slice(5)])
  expect(rows).toEqual([{ password_hash: null }])
})

test('SQL in an address is an address', async () => {
  const email = "o'brien'--;select@example.com"
  expect((await createUser({ email })).user.email).toBe(email)
})
