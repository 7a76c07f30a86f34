import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { type Person, signUp } from '../support/rights.ts'
import { useServer } from '../support/server.ts'

/* Each refusal says what its caller lacks: who has an operator's token is not told to send one. */

const server = useServer()

let ada: Person
let operator: Person

beforeAll(async () => {
  ada = await signUp(server, 'ada')
  operator = await signUp(server, 'operator', 'OPERATOR')
})

async function tokenFor(accountIds: string[] | null) {
  const { data } = await server.ask(
    `mutation ($accountIds: [ID!]) { createApiToken(input: { name: "a service", role: OPERATOR, accountIds: $accountIds }) {
      ... on CreateApiTokenSuccess { token } } }`,
    { accountIds },
    operator.authorization,
  )
  return { authorization: `Bearer ${data.createApiToken.token}` }
}

const CREATE_ACCOUNT = `mutation { createAccount(input: { idempotencyKey: "${randomUUID()}" }) { __typename } }`
const CREATE_TOKEN = 'mutation { createApiToken(input: { name: "another", role: OPERATOR }) { __typename } }'

async function refusalOf(query: string, headers: { authorization: string }) {
  const { errors } = await server.ask(query, {}, headers)
  expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
  return errors?.[0]?.message
}

test('a user lacks the role', async () => {
  for (const query of [CREATE_ACCOUNT, CREATE_TOKEN])
    expect(await refusalOf(query, ada.authorization)).toBe("Only operators may do this. Send an operator's token.")
})

test("an operator's token for some accounts lacks the others", async () => {
  const token = await tokenFor([ada.id.replace('user', 'account')])
  for (const query of [CREATE_ACCOUNT, CREATE_TOKEN, '{ ledger { accountCount } }'])
    expect(await refusalOf(query, token)).toMatch(/^A token for some accounts may not do this/)
  const { data } = await server.ask(
    `mutation { transfer(input: { idempotencyKey: "${randomUUID()}", sourceAccountId: "${ada.id}",
      destinationAccountId: "${operator.id}", amount: 1, ignoreFreeze: true }) { ... on ValidationError { fields { path message } } } }`,
    {},
    token,
  )
  expect(data.transfer.fields).toEqual([
    { path: 'input.ignoreFreeze', message: 'is for operators; a token for some accounts cannot use it' },
  ])
})

test("an operator's token for all accounts lacks a person", async () => {
  const token = await tokenFor(null)
  expect((await server.ask(CREATE_ACCOUNT, {}, token)).data.createAccount.__typename).toBe('CreateAccountSuccess')
  const createOperator = `mutation { createUser(input: { email: "${randomUUID()}@example.com", role: OPERATOR }) { __typename } }`
  for (const query of [CREATE_TOKEN, createOperator])
    expect(await refusalOf(query, token)).toMatch(/^No API token may do this. Sign in as an operator/)
})
