import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { LineWriter } from '../../src/server/line-writer.ts'

const file = () => join(mkdtempSync(join(tmpdir(), 'lines-')), 'log')

test('all lines are written, in order, by the time it is closed', async () => {
  const path = file()
  const fd = openSync(path, 'w')
  const writer = new LineWriter(fd)
  const lines = Array.from({ length: 50_000 }, (_, index) => `line ${index} é🙂\n`)
  for (const [index, line] of lines.entries()) {
    writer.write(line)
    if (index % 1_000 === 0) await new Promise(setImmediate)
  }
  await writer.close()
  closeSync(fd)
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''))
})

test('what waits is written before a process exits', () => {
  const path = file()
  const fd = openSync(path, 'w')
  const writer = new LineWriter(fd)
  writer.write('the last line\n')
  writer.flushSync()
  expect(readFileSync(path, 'utf8')).toBe('the last line\n')
})

/** Writes lines to a pipe in a process of its own. */
const program = (body: string) => [
  '--import',
  'tsx',
  '--input-type=module',
  '--eval',
  `import { LineWriter } from './src/server/line-writer.ts'
   const writer = new LineWriter(1)
   ${body}`,
]

test('a process that exits by itself, or with an error, has written all of it', async () => {
  for (const [end, code] of [
    ['', 0],
    ['process.exit(3)', 3],
    ["setTimeout(() => { throw new Error('rosebud') })", 1],
  ] as const) {
    const child = spawn(
      process.execPath,
      program(`for (let n = 0; n < 1000; n++) writer.write('line ' + n + '\\n')\n${end}`),
    )
    const [said, [exit]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect([exit, said.split('\n').length]).toEqual([code, 1001])
  }
})

test('a reader that does not keep up bounds what waits, and is told how many lines were left out', async () => {
  const child = spawn(
    process.execPath,
    program(`
      const line = 'a'.repeat(1023) + '\\n'
      for (let n = 0; n < 40_000; n++) {
        writer.write(line)
        if (n % 100 === 0) await new Promise(setImmediate)
      }
      process.stderr.write(String(process.memoryUsage().rss))
      await writer.close()`),
  )
  // Nothing is read from its output until it has said all that it has to say.
  const [rss] = await once(child.stderr, 'data')
  expect(Number(rss)).toBeLessThan(400 * 2 ** 20)
  const lines = (await text(child.stdout)).trimEnd().split('\n')
  const left = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  expect(left[0]).toMatchObject({ level: 40, msg: 'log lines were left out' })
  const leftOut = left.reduce((sum, { count }) => sum + count, 0)
  expect(lines.length - left.length + leftOut).toBe(40_000)
  expect(leftOut).toBeGreaterThan(10_000)
})

test('a reader that goes away does no harm', async () => {
  const child = spawn(
    process.execPath,
    program(`
      for (let n = 0; n < 100; n++) {
        writer.write('a'.repeat(1024) + '\\n')
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
      await writer.close()
      process.stderr.write('done')`),
  )
  child.stdout.destroy()
  const said = await text(child.stderr)
  expect(said).toBe('done')
})
