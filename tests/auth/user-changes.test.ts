import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { holdSession, untilBlocked } from '../support/faults.ts'
import { signInOperator } from '../support/operator.ts'
import { openTestServer, type TestServer } from '../support/server.ts'
import { askWith, isGood, logIn, makePerson, PASSWORD, type Person, tryLogin, untilBad } from '../support/sign-in.ts'

const NEW_PASSWORD = 'another right password'

const UPDATE = `mutation ($input: UpdateUserInput!) { updateUser(input: $input) {
  __typename ... on Error { code message } ... on UserNotFoundError { userId } ... on ValidationError { fields { path message } }
  ... on UpdateUserSuccess { user { id email role } } } }`
const SET_PASSWORD = `mutation ($input: SetPasswordInput!) { setPassword(input: $input) {
  __typename ... on Error { code message } ... on UserNotFoundError { userId } ... on ValidationError { fields { path message } }
  ... on SetPasswordSuccess { user { id email } } } }`
const CHANGE_PASSWORD = `mutation ($input: ChangePasswordInput!) { changePassword(input: $input) {
  __typename ... on Error { code message } ... on TooManyAttemptsError { retryAfterSeconds }
  ... on ValidationError { fields { path message } } ... on ChangePasswordSuccess { user { id email } } } }`

let server: TestServer
/** Of an operator who is signed in. The server's own token is an API token. */
let operator: string
beforeAll(async () => {
  server = await openTestServer({ TRUSTED_PROXY_COUNT: '1' })
  operator = await signInOperator(server.database)
})
afterAll(() => server.close())

async function run(query: string, field: string, token: string, input: Record<string, unknown>) {
  const { data, errors } = await askWith(server, token, query, { input })
  return errors ? { code: errors[0]?.extensions.code } : data[field]
}
const updateUser = (input: Record<string, unknown>, token = operator) => run(UPDATE, 'updateUser', token, input)
const setPassword = (input: Record<string, unknown>, token = operator) => run(SET_PASSWORD, 'setPassword', token, input)
const changePassword = (token: string, currentPassword: string, newPassword = NEW_PASSWORD) =>
  run(CHANGE_PASSWORD, 'changePassword', token, { currentPassword, newPassword })

const hashOf = async ({ id }: Person) => {
  const { rows } = await server.database.pool.query('select password_hash from users where id = $1', [id.slice(5)])
  return rows[0].password_hash
}
async function makeOperator(): Promise<Person> {
  const person = await makePerson(server)
  expect(await updateUser({ userId: person.id, role: 'OPERATOR' })).toMatchObject({ user: { role: 'OPERATOR' } })
  return person
}

describe('updateUser', () => {
  test('changes an address, in its canonical form, and ends the sessions of the user', async () => {
    const person = await makePerson(server)
    const token = await logIn(server, person)
    const email = `${randomUUID()}@example.com`
    expect(await updateUser({ userId: person.id, email: ` ${email.toUpperCase()}` })).toEqual({
      __typename: 'UpdateUserSuccess',
      user: { id: person.id, email, role: 'USER' },
    })
    await untilBad(server, token)
    expect(await tryLogin(server, person.email, PASSWORD)).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    expect(await tryLogin(server, email, PASSWORD)).toMatchObject({ user: { id: person.id } })
  })

  test('changes a role, and ends the sessions of the user', async () => {
    const person = await makePerson(server)
    const asUser = await logIn(server, person)
    await updateUser({ userId: person.id, role: 'OPERATOR' })
    await untilBad(server, asUser)
    const asOperator = await logIn(server, person)
    expect((await askWith(server, asOperator, '{ users(first: 1) { edges { node { id } } } }')).errors).toBeUndefined()
    const other = await makeOperator()
    expect(await updateUser({ userId: person.id, role: 'USER' })).toMatchObject({ user: { role: 'USER' } })
    await untilBad(server, asOperator)
    await updateUser({ userId: other.id, role: 'USER' })
  })

  test('that changes nothing ends no session', async () => {
    const person = await makePerson(server)
    const token = await logIn(server, person)
    expect(await updateUser({ userId: person.id, email: person.email.toUpperCase(), role: 'USER' })).toMatchObject({
      __typename: 'UpdateUserSuccess',
    })
    expect(await isGood(server, token)).toBe(true)
    const { rows } = await server.database.pool.query(
      'select count(*)::int as ended from private.sessions where user_id = $1 and revoked_at is not null',
      [person.id.slice(5)],
    )
    expect(rows[0].ended).toBe(0)
  })

  test('refuses the address of another, and changes nothing', async () => {
    const [one, other] = [await makePerson(server), await makePerson(server)]
    const token = await logIn(server, one)
    expect(await updateUser({ userId: one.id, email: other.email, role: 'OPERATOR' })).toMatchObject({
      __typename: 'EmailTakenError',
      code: 'EMAIL_TAKEN',
    })
    expect(await isGood(server, token)).toBe(true)
    expect(await tryLogin(server, one.email, PASSWORD)).toMatchObject({ user: { id: one.id, role: 'USER' } })
  })

  test('names the field that is wrong', async () => {
    const { id: userId } = await makePerson(server)
    expect(await updateUser({ userId })).toMatchObject({
      fields: [{ path: 'input.email', message: 'takes `email`, `role` or both' }],
    })
    expect(await updateUser({ userId, email: 'nobody' })).toMatchObject({
      fields: [{ path: 'input.email', message: 'is not an e-mail address' }],
    })
    const unknown = randomUUID()
    expect(await updateUser({ userId: unknown, role: 'USER' })).toMatchObject({
      code: 'USER_NOT_FOUND',
      userId: `user_${unknown}`,
    })
  })

  test('leaves an operator who can sign in, also when operators demote each other at once', async () => {
    await server.database.pool.query("update users set role = 'USER' where password_hash is not null")
    for (let round = 0; round < 5; round++) {
      const [one, other] = [await makeOperator(), await makeOperator()]
      const answers = await Promise.all([one, other].map(({ id: userId }) => updateUser({ userId, role: 'USER' })))
      expect(answers.map(({ __typename }) => __typename).sort()).toEqual(['LastOperatorError', 'UpdateUserSuccess'])
      const { rows } = await server.database.pool.query(
        "select id from users where role = 'OPERATOR' and password_hash is not null",
      )
      expect(rows).toHaveLength(1)
      // What the next round begins with.
      await server.database.pool.query("update users set role = 'USER' where id = $1", [rows[0].id])
    }
  })
})

describe('setPassword', () => {
  test('sets a password, and ends the sessions of the user', async () => {
    const person = await makePerson(server)
    const token = await logIn(server, person)
    expect(await setPassword({ userId: person.id, password: NEW_PASSWORD })).toEqual({
      __typename: 'SetPasswordSuccess',
      user: { id: person.id, email: person.email },
    })
    await untilBad(server, token)
    expect(await tryLogin(server, person.email, PASSWORD)).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    expect(await tryLogin(server, person.email, NEW_PASSWORD)).toMatchObject({ user: { id: person.id } })
    expect(await hashOf(person)).toMatch(/^\$argon2id\$/)
  })

  test('lets a user sign in who could not', async () => {
    const person = await makePerson(server, { password: null })
    await setPassword({ userId: person.id, password: NEW_PASSWORD })
    expect(await tryLogin(server, person.email, NEW_PASSWORD)).toMatchObject({ user: { id: person.id } })
  })

  test('names the field that is wrong', async () => {
    const { id: userId } = await makePerson(server)
    expect(await setPassword({ userId, password: 'short' })).toMatchObject({
      fields: [{ path: 'input.password', message: 'must have at least 8 characters' }],
    })
    const unknown = randomUUID()
    expect(await setPassword({ userId: unknown, password: NEW_PASSWORD })).toMatchObject({
      code: 'USER_NOT_FOUND',
      userId: `user_${unknown}`,
    })
  })
})

describe('changePassword', () => {
  test('changes the password of the viewer, and ends all other sessions', async () => {
    const person = await makePerson(server)
    const [mine, other] = [await logIn(server, person), await logIn(server, person)]
    expect(await changePassword(mine, PASSWORD)).toEqual({
      __typename: 'ChangePasswordSuccess',
      user: { id: person.id, email: person.email },
    })
    await untilBad(server, other)
    expect(await isGood(server, mine)).toBe(true)
    expect(await tryLogin(server, person.email, PASSWORD)).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    expect(await tryLogin(server, person.email, NEW_PASSWORD)).toMatchObject({ user: { id: person.id } })
  })

  test('refuses a wrong current password, and changes nothing', async () => {
    const person = await makePerson(server)
    const [mine, other] = [await logIn(server, person), await logIn(server, person)]
    const before = await hashOf(person)
    expect(await changePassword(mine, 'a wrong password')).toEqual({
      __typename: 'InvalidCredentialsError',
      code: 'INVALID_CREDENTIALS',
      message: 'The current password is wrong.',
    })
    expect(await hashOf(person)).toBe(before)
    expect(await isGood(server, other)).toBe(true)
  })

  test('counts failed attempts together with those to sign in', async () => {
    const person = await makePerson(server)
    const token = await logIn(server, person)
    for (let attempt = 0; attempt < 10; attempt++)
      expect(await changePassword(token, 'a wrong password')).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    expect(await changePassword(token, PASSWORD)).toMatchObject({
      code: 'TOO_MANY_ATTEMPTS',
      retryAfterSeconds: expect.any(Number),
    })
    expect(await tryLogin(server, person.email, PASSWORD)).toMatchObject({ code: 'TOO_MANY_ATTEMPTS' })
  })

  test('of two at once with the same current password, one wins', async () => {
    const person = await makePerson(server)
    const [one, other] = [await logIn(server, person), await logIn(server, person)]
    const answers = await Promise.all([
      changePassword(one, PASSWORD, 'the first new password'),
      changePassword(other, PASSWORD, 'the second new password'),
    ])
    const won = answers.findIndex(({ __typename }) => __typename === 'ChangePasswordSuccess')
    const password = won === 0 ? 'the first new password' : 'the second new password'
    expect(await tryLogin(server, person.email, password)).toMatchObject({ user: { id: person.id } })
    const tokens = [one, other]
    expect(await isGood(server, tokens[won] as string)).toBe(true)
    await untilBad(server, tokens[1 - won] as string)
  })

  test('names the field that is wrong', async () => {
    const token = await logIn(server, await makePerson(server))
    expect(await changePassword(token, PASSWORD, 'short')).toMatchObject({
      fields: [{ path: 'input.newPassword', message: 'must have at least 8 characters' }],
    })
  })

  test('is not there for API tokens, and one operation may check one password only', async () => {
    const { errors } = await server.ask(CHANGE_PASSWORD, {
      input: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
    })
    expect(errors?.[0]).toMatchObject({
      message: 'An API token has no password to change. An operator can revoke it with `revokeApiToken`.',
      extensions: { code: 'FORBIDDEN' },
    })
    const token = await logIn(server, await makePerson(server))
    const call = `changePassword(input: { currentPassword: "x", newPassword: "${NEW_PASSWORD}" }) { __typename }`
    const twice = await askWith(server, token, `mutation { a: ${call} b: ${call} }`)
    expect(twice.errors?.[0]?.message).toBe('An operation may check only one password. Send one operation for each.')
  })
})

describe('a sign-in with the old password beside a new one', () => {
  test.each(['setPassword', 'changePassword'])('opens no session that outlives %s', async (mutation) => {
    const person = await makePerson(server)
    const token = await logIn(server, person)
    const other = mutation === 'changePassword' ? await logIn(server, person) : undefined
    // The change waits for a session, after it has read which sessions there are.
    const sessions = 'select from private.sessions where user_id = $1 for update'
    const holder = await holdSession(server.database, sessions, [person.id.slice(5)])
    onTestFinished(() => holder.close())
    const changing = other
      ? changePassword(other, PASSWORD)
      : setPassword({ userId: person.id, password: NEW_PASSWORD })
    await untilBlocked(server.database)
    const signingIn = tryLogin(server, person.email, PASSWORD)
    // A sign-in that is answered already has not waited for the change.
    await Promise.race([untilBlocked(server.database, 2), signingIn])
    await holder.commit()
    expect(await changing).toMatchObject({ user: { id: person.id } })
    expect(await signingIn).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    await untilBad(server, token)
  })
})

test('users and API tokens change no user', async () => {
  const person = await makePerson(server)
  const token = await logIn(server, person)
  expect(await updateUser({ userId: person.id, role: 'OPERATOR' }, token)).toEqual({ code: 'FORBIDDEN' })
  expect(await setPassword({ userId: person.id, password: NEW_PASSWORD }, token)).toEqual({ code: 'FORBIDDEN' })
  for (const [query, input] of [
    [UPDATE, { userId: person.id, role: 'OPERATOR' }],
    [SET_PASSWORD, { userId: person.id, password: NEW_PASSWORD }],
  ] as const)
    expect((await server.ask(query, { input })).errors?.[0]?.extensions.code).toBe('FORBIDDEN')
})
