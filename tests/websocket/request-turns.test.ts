import { afterAll, beforeAll, expect, test } from 'vitest'
import { openClient, type SocketClient } from '../support/graphql-transport.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const CROWD = 80

// The server runs in this process. So it finds what is sent here at once in one turn of its event loop, in this order.
test('one operation is answered before the last of eighty that another viewer sent earlier', async () => {
  const stranger = () => openClient(server.socketEndpoint, { token: null })
  const [first, crowd, second] = await Promise.all([stranger(), openClient(server.socketEndpoint), stranger()])
  const answered: string[] = []
  const noteAnswers = (name: string, { webSocket }: SocketClient) =>
    webSocket.on('message', (data) => {
      const { type } = JSON.parse(String(data))
      if (type === 'next') answered.push(name)
      else expect(type).toBe('complete')
    })
  noteAnswers('first', first)
  noteAnswers('crowd', crowd)
  noteAnswers('second', second)
  const operation = { query: '{ __typename }' }
  first.subscribe('1', operation)
  for (let id = 1; id <= CROWD; id++) crowd.subscribe(String(id), operation)
  second.subscribe('1', operation)
  await expect.poll(() => answered.length).toBe(CROWD + 2)
  expect(answered.indexOf('second')).toBeLessThan(CROWD / 2)
})
