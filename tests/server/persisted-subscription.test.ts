import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { sha256Of } from '../../src/server/graphql/operation-list.ts'
import { useFolder } from '../support/folder.ts'
import { useServer } from '../support/server.ts'

const WATCH = 'subscription { transactionPosted { cursor } }'

const list = join(useFolder(), 'operations.json')
writeFileSync(list, JSON.stringify({ [sha256Of(WATCH)]: WATCH }))
const server = useServer({ PERSISTED_OPERATIONS: list })

test('a subscription that is asked for by its hash, by who takes no stream, leaves no subscriber behind', async () => {
  const extensions = { persistedQuery: { version: 1, sha256Hash: sha256Of(WATCH) } }
  for (const body of [{ query: '', extensions }, { extensions }]) {
    const response = await fetch(server.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...server.authorization },
      body: JSON.stringify(body),
    })
    expect(response.status).toBe(406)
    await response.body?.cancel()
  }
  await vi.waitFor(async () => {
    const metrics = await fetch(`${server.address}/metrics`, { headers: server.authorization })
    expect(await metrics.text()).toMatch(/^thesaurum_ledger_subscribers 0$/m)
  })
})
