import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { openCluster } from '../../src/db/embedded/cluster.ts'
import { openEmbedded } from '../../src/db/embedded/embedded.ts'
import { findFreePort, startPostmaster } from '../../src/db/embedded/postmaster.ts'
import { migrateDatabase } from '../../src/db/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server that tests run on, and the migrated database that each test file clones. */
    postgres: { serverUrl: string; templateName: string }
  }
}

/**
 * Settings of the throw-away cluster. Without `fsync` a commit still writes its log to the operating system before it is acknowledged, so
 * it survives whatever process is killed; only a crash of the machine loses it, and no test does that. What our own PostgreSQL is
 * started with is tested by embedded.test.ts and kills.test.ts, on clusters of their own.
 */
const TEST_SETTINGS = [
  'fsync=off',
  // Tests connect thousands of times. The usual 4096 rounds of hashing take about 1 ms of the 7 ms that a connection costs.
  'scram_iterations=1',
  // Two files at once, each with servers, pools and feeds of its own.
  'max_connections=400',
  // There is a database a file: at our usual 5 s for each, vacuuming never stops.
  'autovacuum_naptime=30s',
]

/**
 * Once for all tests: a real PostgreSQL (the one of DATABASE_URL, whose role must be a superuser; else an embedded one
 * in a folder of its own) with a migrated template database.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const closers: (() => Promise<unknown>)[] = []
  let serverUrl = process.env.DATABASE_URL
  if (!serverUrl) {
    const folder = await mkdtemp(join(tmpdir(), 'thesaurum-tests-'))
    closers.unshift(() => rm(folder, { recursive: true, force: true }))
    // Opening takes over a postmaster that runs already.
    const cluster = await openCluster(folder, () => {})
    await startPostmaster(cluster, await findFreePort(), new AbortController().signal, TEST_SETTINGS)
    const embedded = await openEmbedded({ dataDir: folder, log: () => {} })
    closers.unshift(() => embedded.close())
    serverUrl = embedded.url
  }
  const templateName = `thesaurum_template_${process.pid}`
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  closers.unshift(async () => {
    await client.query(`drop database if exists ${templateName}`)
    await client.end()
  })
  await client.query(`create database ${templateName}`)
  const template = new URL(serverUrl)
  template.pathname = `/${templateName}`
  await migrateDatabase(template.href)
  project.provide('postgres', { serverUrl, templateName })
  return async () => {
    for (const close of closers) await close()
  }
}
