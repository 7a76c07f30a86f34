import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/*
 * A cast through `never`, `any` or `unknown` silences the compiler, whatever is wrong with it now or later. The few that
 * stay are needed because the types of a library are too narrow. Each has its reason in a comment right above it.
 */

/** How many there are, by file. Take out of here what is no longer needed. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  // The entries of a page are the edges of the connection.
  'schema/account-transactions.ts': ['as never'],
  // A class whose getters are defined by name.
  'schema/loaders.ts': ['as unknown as'],
  // Yoga's serializer, which uses one class of the fetch API.
  'server/http/fast-path.ts': ['as unknown as'],
}
const NEVER_MAX = 3

const CAST = /\bas (?:never|any|unknown as)\b|@ts-(?:ignore|expect-error|nocheck)/g
const COMMENT = /^\s*(?:\/\/|\/\*|\*)/
/** A statement may be broken over so many lines between its comment and the cast. */
const LINES_ABOVE = 3

interface Cast {
  path: string
  line: number
  text: string
  hasReason: boolean
}

function castsIn(path: string): Cast[] {
  const lines = readFileSync(join('src', path), 'utf8').split('\n')
  return lines.flatMap((line, index) => {
    if (COMMENT.test(line) && !line.includes('@ts-')) return []
    const hasReason = lines.slice(Math.max(0, index - LINES_ABOVE), index).some((above) => COMMENT.test(above))
    return [...line.matchAll(CAST)].map(([text]) => ({ path, line: index + 1, text, hasReason }))
  })
}

const CASTS = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .flatMap(castsIn)

test('no cast silences the compiler, but for those that are listed here', () => {
  const found: Record<string, string[]> = {}
  for (const { path, text } of CASTS) found[path] = [...(found[path] ?? []), text]
  expect(found).toEqual(ALLOWED)
})

test('at most three casts are to never', () => {
  expect(CASTS.filter(({ text }) => text === 'as never').length).toBeLessThanOrEqual(NEVER_MAX)
})

test('every such cast has its reason in a comment above it', () => {
  expect(CASTS.filter(({ hasReason }) => !hasReason).map(({ path, line }) => `${path}:${line}`)).toEqual([])
})
