import { afterAll, beforeAll } from 'vitest'
import { openTestLedger, type TestLedger } from './ledger.ts'
import { openTestServer, type TestServer } from './server.ts'

/** A ledger and a whole server beside it, on one database, for all tests of a file: two processes' worth of lanes. */
export function useLedgerAndServer(environment: Parameters<typeof openTestServer>[0] = {}): {
  ledger: TestLedger
  server: TestServer
} {
  // They have their properties as soon as a test can use them.
  const opened = { ledger: {} as TestLedger, server: {} as TestServer }
  const closers: (() => Promise<void>)[] = []
  beforeAll(async () => {
    const ledger = Object.assign(opened.ledger, await openTestLedger())
    closers.unshift(() => ledger.close())
    const server = Object.assign(opened.server, await openTestServer(environment, ledger.test))
    closers.unshift(() => server.close())
  })
  afterAll(async () => {
    for (const close of closers) await close()
  })
  return opened
}
