import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { changedEntryCursor } from '../support/cursors.ts'
import { openClient, openStream } from '../support/graphql-transport.ts'
import { entryOn, useWatchedServer, WATCH } from '../support/watched-server.ts'

/* What cannot be watched is refused, and the socket stays open. */

const { server, subscriberCount, waitForSubscribers, createUser, deposit, balanceOf } = useWatchedServer()

async function refusals(variables: Record<string, unknown>) {
  const ada = await createUser()
  const client = await openClient(server.socketEndpoint)
  client.subscribe('bystander', { query: WATCH, variables: { accountId: ada } })
  await waitForSubscribers(1)
  client.subscribe('refused', { query: WATCH, variables })
  const answer = await client.waitForMessage()
  expect(answer.id).toBe('refused')
  // A socket has no status code to carry.
  expect(JSON.stringify(answer)).not.toContain('"http"')
  const errors = answer.type === 'error' ? answer.payload : answer.payload.errors
  if (answer.type !== 'error') expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'refused' })
  expect(subscriberCount()).toBe(1)
  const posted = await deposit(ada, 1)
  expect(await entryOn(client, 'bystander')).toEqual(posted)

  const stream = await openStream(server.endpoint, { query: WATCH, variables })
  const { data } = await stream.waitForEvent()
  expect(data?.errors).toEqual(errors)
  return errors
}

test('a text that is no cursor is refused', async () => {
  const accountId = await createUser()
  const [error, ...others] = await refusals({ accountId, since: 'rosebud' })
  expect(others).toEqual([])
  expect(error).toMatchObject({
    message: 'since: is not a cursor of an account',
    path: ['entryPosted'],
    extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'since', message: 'is not a cursor of an account' }] },
  })
})

test('the cursor of another account is refused', async () => {
  const [accountId, other] = [await createUser(), await createUser()]
  const [error] = await refusals({ accountId, since: (await balanceOf(other)).cursor })
  expect(error).toMatchObject({
    message: 'since: is a cursor of another account',
    extensions: { code: 'BAD_USER_INPUT' },
  })
})

test('a cursor from the future is refused', async () => {
  const accountId = await createUser()
  const since = changedEntryCursor((await balanceOf(accountId)).cursor, { sequence: 1 })
  const [error] = await refusals({ accountId, since })
  expect(error).toMatchObject({
    message: 'since: is a position the account has not reached',
    extensions: { code: 'BAD_USER_INPUT' },
  })
})

test('a cursor from before a restore is refused', async () => {
  const accountId = await createUser()
  const since = changedEntryCursor((await balanceOf(accountId)).cursor, { era: randomUUID() })
  const [error] = await refusals({ accountId, since })
  expect(error).toMatchObject({ extensions: { code: 'CURSOR_EXPIRED' } })
})

test('an account that is not there is refused', async () => {
  const accountId = `account_${randomUUID()}`
  const [error] = await refusals({ accountId })
  expect(error).toMatchObject({
    message: 'There is no such account. Check the id.',
    extensions: { code: 'ACCOUNT_NOT_FOUND' },
  })
  expect(JSON.stringify(error)).not.toContain(accountId)
})

test('an id that is none is refused', async () => {
  const [error] = await refusals({ accountId: 'rosebud' })
  expect(error).toMatchObject({ extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'accountId' }] } })
  expect(JSON.stringify(error)).not.toContain('rosebud')
})
