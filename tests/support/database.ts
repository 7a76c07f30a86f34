import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject, onTestFinished } from 'vitest'

export interface TestDatabase {
  url: string
  /** For the tests' own SQL, as the owner of everything. */
  pool: pg.Pool
  close(): Promise<void>
}

/** A fresh clone of the migrated template, or of an empty one. */
export async function openTestDatabase({ isEmpty = false } = {}): Promise<TestDatabase> {
  const { serverUrl, templateName } = inject('postgres')
  const name = `thesaurum_test_${randomUUID().replaceAll('-', '')}`
  await asServer(serverUrl, `create database ${name} template ${isEmpty ? 'template1' : templateName}`)
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

/** The same for one test: it is dropped when the test ends. */
export async function databaseForTest(): Promise<TestDatabase> {
  const database = await openTestDatabase()
  onTestFinished(() => database.close())
  return database
}

/** A database with nothing in it, dropped when the test ends. `options` are those of `create database`. */
export async function openEmptyDatabase(options = ''): Promise<{ name: string; url: string }> {
  const { serverUrl } = inject('postgres')
  const name = `thesaurum_empty_${randomUUID().replaceAll('-', '')}`
  await asServer(serverUrl, `create database ${name} ${options}`)
  onTestFinished(() => asServer(serverUrl, `drop database ${name} with (force)`))
  return { name, url: Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href }
}

/** What a statement of a session of its own finds. */
export async function queryOnce(url: string, statement: string) {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

const asServer = async (serverUrl: string, statement: string) => void (await queryOnce(serverUrl, statement))
