import { defineConfig } from 'vitest/config'
import { LongFilesFirst } from './tests/support/long-files-first.ts'

const SETUP_FILES = ['tests/support/patience.ts', 'tests/support/canary.ts']
const UNIT_TESTS = 'tests/unit/**/*.test.ts'
/** Unit tests that change what others in the same process would see: the clock of ids, and the canary. */
const UNIT_TESTS_APART = ['tests/unit/row-id.test.ts', 'tests/unit/canary.test.ts']

/** These end a test that hangs; they are no bound on what a test measures. */
const HANGS = { testTimeout: 600_000, hookTimeout: 600_000, expect: { poll: { timeout: 120_000 } } }

// Vite would take graphql's ES module for our code, while Pothos and Yoga get the CommonJS one: two graphqls.
const resolve = { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] }

export default defineConfig({
  test: {
    globalSetup: ['tests/support/build.ts', 'tests/support/postgres.ts'],
    // Files at once, each with databases of its own. A third makes use of two cores while others wait for a process to start or for a
    // deadline; a PostgreSQL of somebody else's may not have the connections for it.
    maxWorkers: process.env.DATABASE_URL ? 2 : 3,
    sequence: { sequencer: LongFilesFirst },
    teardownTimeout: 120_000,
    projects: [
      {
        resolve,
        test: {
          name: 'unit',
          include: [UNIT_TESTS],
          exclude: UNIT_TESTS_APART,
          setupFiles: SETUP_FILES,
          // Their files share a process, and load GraphQL and our modules once in it.
          isolate: false,
          ...HANGS,
        },
      },
      {
        resolve,
        test: {
          name: 'isolated',
          // Hostile and browser tests have a configuration of their own: they need a quiet machine, or Chromium.
          include: ['tests/!(unit|hostile|browser)/**/*.test.ts', ...UNIT_TESTS_APART],
          setupFiles: SETUP_FILES,
          ...HANGS,
        },
      },
    ],
  },
})
