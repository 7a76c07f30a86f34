import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isInterfaceType } from 'graphql'
import { describe, expect, test } from 'vitest'
import { errorsPage } from '../../scripts/errors-page.ts'
import { UNAVAILABLE_MESSAGES, type UnavailableCode, UnavailableError } from '../../src/ledger/model/unavailable.ts'
import { schema } from '../../src/schema/index.ts'
import { REQUEST_CODES, type RequestCode, type RequestCodeRules } from '../../src/schema/request-codes.ts'
import { refusedRequest, requestError } from '../../src/schema/request-error.ts'
import { RESULT_CODES, type ResultCodeRules } from '../../src/schema/result-codes.ts'
import { COUNTED_CLOSE_CODES, SENT_CLOSE_CODES } from '../../src/server/websocket/close-codes.ts'

/* Every code that a client can get is in one catalogue, and docs/errors.md is made from it. */

const CATALOGUE = ['schema/request-codes.ts', 'schema/result-codes.ts']
const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !CATALOGUE.includes(path))
  .map((path) => ({ path, text: readFileSync(join('src', path), 'utf8') }))

const REQUEST_RULES = Object.entries<RequestCodeRules>(REQUEST_CODES)
const RESULT_RULES = Object.entries<ResultCodeRules>(RESULT_CODES)

/** Yoga makes these errors. */
const CODES_OF_YOGA = ['GRAPHQL_VALIDATION_FAILED']

test('docs/errors.md is made from the catalogue: run `npm run errors` after a change', () => {
  expect(readFileSync('docs/errors.md', 'utf8')).toBe(errorsPage())
})

test('docs/errors.md has a row for each code and each close code', () => {
  const [results = '', requests = ''] = readFileSync('docs/errors.md', 'utf8').split('## Request errors')
  const codesIn = (text: string) => [...text.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code)
  expect(codesIn(results)).toEqual(Object.keys(RESULT_CODES))
  expect(codesIn(requests)).toEqual(Object.keys(REQUEST_CODES))
  const [, closes = ''] = requests.split('## WebSocket close codes')
  const numbers = [...closes.matchAll(/^\| (\d{4}) \|/gm)].map(([, code]) => Number(code))
  expect(numbers).toEqual(SENT_CLOSE_CODES.map(({ code }) => code))
})

test('every code of the catalogue is in use', () => {
  const codes = [...new Set([...Object.keys(REQUEST_CODES), ...Object.keys(RESULT_CODES)])]
  const unused = codes.filter((code) => !SOURCES.some(({ text }) => text.includes(`'${code}'`)))
  expect(unused).toEqual(CODES_OF_YOGA)
})

test('no error is made with a code beside the catalogue', () => {
  const wrong = SOURCES.filter(({ path }) => /^(schema|server)\//.test(path)).flatMap(({ path, text }) =>
    [...text.matchAll(/\bextensions: \{[^}]*\bcode[:,]|\bcode: '[A-Z_]+'/g)].map(([words]) => `${path}: ${words}`),
  )
  // An option whose type is a code of the catalogue.
  expect(wrong).toEqual(["schema/pages.ts: code: 'CURSOR_EXPIRED'"])
})

test('the types of typed results are those of the schema', () => {
  const { Error: errors } = schema.getTypeMap()
  if (!isInterfaceType(errors)) throw new Error('the schema has no interface Error')
  const types = schema.getImplementations(errors).objects.map(({ name }) => name)
  const documented = RESULT_RULES.flatMap(([, { type }]) => type ?? [])
  // A PostingRefusedError has the code of the refusal in it.
  expect([...new Set(documented), 'PostingRefusedError'].sort()).toEqual(types.sort())
})

test.each([...REQUEST_RULES, ...RESULT_RULES])('%s has a message and a remedy, in sentences', (_code, rules) => {
  const message = 'message' in rules ? rules.message : rules.varies
  const isProtocol = message.startsWith('PersistedQuery')
  if (!isProtocol) expect(message).toMatch(/^[A-Z`].*\.$/)
  expect(rules.remedy).toMatch(/^[A-Z`].*\.$/)
  expect(`${message}${rules.remedy}`).not.toMatch(/[|\n]/)
})

test('the ledger and the catalogue agree on what is retryable', () => {
  for (const code of Object.keys(UNAVAILABLE_MESSAGES) as UnavailableCode[]) {
    const { message, retryable } = new UnavailableError(code)
    expect(RESULT_CODES[code]).toMatchObject({ message, retryable })
    expect(REQUEST_CODES[code]).toMatchObject({ message, retryable })
  }
})

describe('a request error', () => {
  test('has its code, and `retryable` where the catalogue has it', () => {
    const shown = Object.fromEntries(
      REQUEST_RULES.map(([code]) => [code, requestError(code as RequestCode, 'words').extensions]),
    )
    expect(Object.keys(shown).filter((code) => shown[code]?.retryable === true)).toEqual([
      'TOO_MANY_REQUESTS',
      'OVERLOADED',
      'RETRIES_EXHAUSTED',
      'OUTCOME_UNKNOWN',
      'UNAVAILABLE',
      'DEADLINE_EXCEEDED',
      'SLOW_CONSUMER',
      'FEED_TIMED_OUT',
    ])
    expect(shown.FEED_FAILED).toEqual({ code: 'FEED_FAILED', retryable: false })
    expect(shown.FEED_CLOSED).toEqual({ code: 'FEED_CLOSED', retryable: false })
    expect(shown.BAD_REQUEST).toEqual({ code: 'BAD_REQUEST' })
  })

  test('has the message of the catalogue, unless it is given another', () => {
    expect(requestError('DEADLINE_EXCEEDED').message).toBe(REQUEST_CODES.DEADLINE_EXCEEDED.message)
    expect(requestError('BAD_REQUEST', 'words').message).toBe('words')
  })

  test('sets the HTTP status of the catalogue where nothing was executed', () => {
    expect(refusedRequest('OVERLOADED').extensions).toEqual({
      code: 'OVERLOADED',
      retryable: true,
      http: { status: 503, headers: { 'retry-after': '1' } },
    })
    expect(refusedRequest('BAD_REQUEST', 'words', { isOkInJson: true }).extensions).toEqual({
      code: 'BAD_REQUEST',
      http: { status: 400, spec: true },
    })
  })
})

test('metrics count the close codes that the server sends, and the four of every socket', () => {
  const sent = SENT_CLOSE_CODES.map(({ code }) => code)
  expect([...COUNTED_CLOSE_CODES].sort()).toEqual([1000, 1001, 1005, 1006, ...sent].sort())
})
