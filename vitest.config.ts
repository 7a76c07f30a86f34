import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Vite would take graphql's ES module for our code, while Pothos and Yoga get the CommonJS one: two graphqls.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['tests/{unit,integration,websocket}/**/*.test.ts'],
    globalSetup: ['tests/support/build.ts', 'tests/support/postgres.ts'],
    setupFiles: ['tests/support/patience.ts', 'tests/support/canary.ts'],
    // Two files at once: each has a database of its own, and all of them share two cores on a small machine.
    maxWorkers: 2,
    // These end a test that hangs; they are no bound on what a test measures.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 120_000,
    expect: { poll: { timeout: 120_000 } },
  },
})
