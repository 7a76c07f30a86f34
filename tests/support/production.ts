/** What production must have been told. The database of a test server is the test's own all the same. */
export const PRODUCTION = { NODE_ENV: 'production', DATABASE_URL: 'postgres://x', TRUSTED_PROXY_COUNT: '0' } as const
