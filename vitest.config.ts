import { defineConfig } from 'vitest/config'
import { LongFilesFirst } from './tests/support/long-files-first.ts'

export default defineConfig({
  // Vite would take graphql's ES module for our code, while Pothos and Yoga get the CommonJS one: two graphqls.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['tests/**/*.test.ts'],
    // These have a configuration of their own: they need a quiet machine, or Chromium.
    exclude: ['tests/{hostile,browser}/**'],
    globalSetup: ['tests/support/build.ts', 'tests/support/postgres.ts'],
    setupFiles: ['tests/support/patience.ts', 'tests/support/canary.ts'],
    // Files at once, each with databases of its own. A third makes use of two cores while others wait for a process to start or for a
    // deadline; a PostgreSQL of somebody else's may not have the connections for it.
    maxWorkers: process.env.DATABASE_URL ? 2 : 3,
    sequence: { sequencer: LongFilesFirst },
    // These end a test that hangs; they are no bound on what a test measures.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 120_000,
    expect: { poll: { timeout: 120_000 } },
  },
})
