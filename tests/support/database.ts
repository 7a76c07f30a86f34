import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

export interface TestDatabase {
  url: string
  /** For the tests' own SQL, as the owner of everything. */
  pool: pg.Pool
  close(): Promise<void>
}

/** A fresh clone of the migrated template. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const { serverUrl, templateName } = inject('postgres')
  const name = `thesaurum_test_${randomUUID().replaceAll('-', '')}`
  await asServer(serverUrl, `create database ${name} template ${templateName}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const pool = new pg.Pool({ connectionString: url.href, max: 20 })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return {
    url: url.href,
    pool,
    async close() {
      await pool.end()
      await asServer(serverUrl, `drop database ${name} with (force)`)
    },
  }
}

async function asServer(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
