import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const TESTS = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts') && !/^(hostile|browser)\//.test(path) && path !== 'unit/clocks.test.ts')
  .map((path) => ({ path, text: readFileSync(join(TESTS, path), 'utf8') }))

/** These look at the clock, and no machine is too slow for what they expect. */
const UNBOUNDED = new Set([
  'support/patience.ts',
  // At most so many lines for each second that went by.
  'server/probes.test.ts',
  // Pauses are at least so long.
  'unit/viewer-turns.test.ts',
])

test.each([
  ['measures time', /performance\.now\(|process\.hrtime|cpuUsage\(/],
  ['sleeps', /\b(?:sleep|pause|setTimeout)\([^)]*[1-9]\d/],
  ['gives up after a time of its own', /\btimeout: \d|testTimeout|AbortSignal\.timeout\(\d/],
])('no file of npm test %s, which a busy machine would fail: that is for npm run test:hostile', (_what, pattern) => {
  const found = SOURCES.filter(({ path, text }) => !UNBOUNDED.has(path) && pattern.test(text))
  expect(found.map(({ path }) => path)).toEqual([])
})

test('the files are seen', () => {
  expect(SOURCES.length).toBeGreaterThan(90)
})
