import { once } from 'node:events'
import { afterAll, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { useServer } from '../support/server.ts'

/* What goes wrong on a socket goes through the log, and never to the console. */

const printed = vi.spyOn(console, 'error').mockImplementation(() => {})
afterAll(() => printed.mockRestore())
const server = useServer()

const SENT = {
  'a frame that is too large': 'a'.repeat(70_000),
  'a frame that is no message': '{"type":"nothing"}',
}

test.each(Object.entries(SENT))('%s is not printed', async (_name, frame) => {
  const socket = new WebSocket(server.socketEndpoint, 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send(frame)
  await once(socket, 'close')
  expect(printed).not.toHaveBeenCalled()
})

test('of sixty frames that are too large some are logged, and one line counts the others', async () => {
  const lines = () => server.logged.filter((line) => line.includes('a socket failed'))
  const countOf = (line: string) => (JSON.parse(line) as { count?: number }).count ?? 1
  const countAll = () => lines().reduce((sum, line) => sum + countOf(line), 0)
  const before = countAll()
  await Promise.all(
    Array.from({ length: 60 }, async () => {
      const socket = new WebSocket(server.socketEndpoint, 'graphql-transport-ws')
      await once(socket, 'open')
      socket.send('a'.repeat(70_000))
      await once(socket, 'close')
    }),
  )
  await vi.waitFor(() => expect(countAll()).toBe(before + 60))
  expect(lines().length).toBeLessThan(before + 60)
})
