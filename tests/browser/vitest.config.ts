import { defineConfig } from 'vitest/config'

/** Apart from the suite: it needs Chromium. */
export default defineConfig({
  // Vite would take graphql's ES module for our code, while Pothos and Yoga get the CommonJS one: two graphqls.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['tests/browser/**/*.test.ts'],
    globalSetup: 'tests/support/postgres.ts',
    setupFiles: 'tests/support/canary.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
