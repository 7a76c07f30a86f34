import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { LongFilesFirst } from './tests/support/long-files-first.ts'
import { findMemory } from './tests/support/memory.ts'

const memory = findMemory()
// For this process, the workers, and what they start.
if (memory !== undefined) process.env.TMPDIR = memory

/** Hostile and browser tests have a configuration of their own: they need a quiet machine, or Chromium. */
const TESTS = 'tests/!(hostile|browser)/**/*.test.ts'

/**
 * These files have a process each. A mocked module would be the mock for others in the same process, or stay what it was for them; and two
 * unit tests change the clock of ids, and the canary.
 */
const ISOLATED = [
  'tests/unit/row-id.test.ts',
  'tests/unit/canary.test.ts',
  ...readdirSync(join(import.meta.dirname, 'tests'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('tests', name))
    .filter((path) => readFileSync(join(import.meta.dirname, path), 'utf8').includes('vi.mock(')),
]

const project = {
  // Vite would take graphql's ES module for our code, while Pothos and Yoga get the CommonJS one: two graphqls.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    setupFiles: ['tests/support/patience.ts', 'tests/support/left-behind.ts', 'tests/support/canary.ts'],
    // These end a test that hangs; they are no bound on what a test measures.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 120_000 } },
  },
}

export default defineConfig({
  test: {
    globalSetup: ['tests/support/build.ts', 'tests/support/postgres.ts'],
    // Files at once, each with databases of its own. A third makes use of two cores while others wait for a process to start or for a
    // deadline; a PostgreSQL of somebody else's may not have the connections for it.
    maxWorkers: process.env.DATABASE_URL ? 2 : 3,
    sequence: { sequencer: LongFilesFirst },
    teardownTimeout: 120_000,
    projects: [
      { ...project, test: { ...project.test, name: 'isolated', include: ISOLATED } },
      {
        ...project,
        // One process after another runs these files, and has loaded GraphQL and our modules once: half a second a file.
        test: { ...project.test, name: 'shared', include: [TESTS], exclude: ISOLATED, isolate: false },
      },
    ],
  },
})
