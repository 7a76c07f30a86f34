import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CloseCode } from 'graphql-ws'
import { describe, expect, test } from 'vitest'
import { SQLSTATE } from '../../src/db/sqlstate.ts'
import * as CLOSE_CODES from '../../src/server/websocket/close-codes.ts'

/* Codes of PostgreSQL and of WebSockets are named in one file each, and everywhere else they are called by that name. */

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file: join('src', file), code: withoutComments(readFileSync(join('src', file), 'utf8')) }))

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** The places outside `home` where `pattern` is. */
function placesOf(pattern: RegExp, home: string): string[] {
  expect(sources.map(({ file }) => file)).toContain(home)
  return sources
    .filter(({ file }) => file !== home)
    .flatMap(({ file, code }) => [...code.matchAll(pattern)].map(([found]) => `${file}: ${found}`))
}

test('no SQLSTATE is written as text outside src/db/sqlstate.ts', () => {
  // Five characters in quotes, two of them digits or more: no word of ours looks like that.
  expect(placesOf(/(['"`])(?=[0-9A-Z]*\d[0-9A-Z]*\d)[0-9A-Z]{5}\1/g, 'src/db/sqlstate.ts')).toEqual([])
})

describe('close codes', () => {
  test('none is written as a number outside src/server/websocket/close-codes.ts', () => {
    const numbers = [
      ...Object.values(CLOSE_CODES).filter((code) => typeof code === 'number'),
      ...Object.values(CloseCode).filter((code) => typeof code === 'number'),
      // 1000 is a common number, and no name for a close code.
      ...[...CLOSE_CODES.COUNTED_CLOSE_CODES].filter((code) => code !== 1000),
    ]
    const pattern = new RegExp(`\\b(${[...new Set(numbers)].join('|')})\\b`, 'g')
    expect(placesOf(pattern, 'src/server/websocket/close-codes.ts')).toEqual([])
    expect(placesOf(/\.close\(\s*\d+/g, 'src/server/websocket/close-codes.ts')).toEqual([])
  })

  test('metrics count each code of ours separately', () => {
    const ours = Object.values(CLOSE_CODES).filter((code) => typeof code === 'number')
    expect(ours.filter((code) => !CLOSE_CODES.COUNTED_CLOSE_CODES.has(code))).toEqual([])
  })
})

test('each SQLSTATE has one name', () => {
  const codes = Object.values(SQLSTATE)
  expect(new Set(codes).size).toBe(codes.length)
  expect(codes.filter((code) => !/^[0-9A-Z]{5}$/.test(code))).toEqual([])
})
