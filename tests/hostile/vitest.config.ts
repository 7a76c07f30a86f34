import { defineConfig } from 'vitest/config'

/** Apart from the suite: these tests measure time and memory, and need a machine that is otherwise idle. */
export default defineConfig({
  // Vite would take graphql's ES module for our code, while Pothos and Yoga get the CommonJS one: two graphqls.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['tests/hostile/**/*.test.ts'],
    globalSetup: ['tests/support/build.ts', 'tests/support/postgres.ts'],
    setupFiles: ['tests/support/patience.ts', 'tests/support/canary.ts'],
    // One server at a time: what is measured is not its neighbour.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
})
