import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'

/* What `npm start` and its like build, and when: on a program of two lines in a checkout of its own. */

const modules = dirname(dirname(createRequire(import.meta.url).resolve('typescript/package.json')))
const BUILDING = /^(There is no build in dist|The build in dist does not match the sources in src): building …\n$/

let checkout: string
beforeEach(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'thesaurum-checkout-'))
  onTestFinished(() => rm(checkout, { recursive: true }))
  for (const name of ['scripts', 'tsconfig.json', 'tsconfig.build.json']) {
    await cp(name, join(checkout, name), { recursive: true })
  }
  await writeFile(join(checkout, 'package.json'), '{ "type": "module" }')
  await mkdir(join(checkout, 'src'))
  await installCompiler()
  await write('main.ts', 'const words: string[] = process.argv.slice(2)\nconsole.log("one", ...words)\n')
})

const write = (name: string, text: string) => writeFile(join(checkout, 'src', name), text)

async function installCompiler(): Promise<void> {
  await mkdir(join(checkout, 'node_modules'))
  for (const name of ['typescript', '@typescript', '@types', 'undici-types']) {
    if (existsSync(join(modules, name))) await symlink(join(modules, name), join(checkout, 'node_modules', name))
  }
}

const removeCompiler = () => rm(join(checkout, 'node_modules'), { recursive: true })

function run(script = 'run.mjs') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join('scripts', script), 'serve', '--port'], {
    cwd: checkout,
    env: {},
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

test('the first start builds, and hands on the command; the next one only runs', async () => {
  expect(run()).toEqual({ status: 0, stdout: 'one serve --port\n', stderr: expect.stringMatching(BUILDING) })
  expect(run()).toEqual({ status: 0, stdout: 'one serve --port\n', stderr: '' })
  expect((await readdir(checkout)).filter((name) => name.includes('dist'))).toEqual(['dist'])
})

describe('a build is made again', () => {
  test('for a source that changed, was added or deleted, but not for one that only was touched', async () => {
    await write('other.ts', 'export {}\n')
    expect(run('build.mjs')).toEqual({ status: 0, stdout: '', stderr: '' })
    const now = new Date()
    for (const name of ['main.ts', 'other.ts']) await utimes(join(checkout, 'src', name), now, now)
    expect(run().stderr).toBe('')

    await write('main.ts', 'console.log("two")\n')
    // Older than the build, as a checkout of an old commit may be.
    await utimes(join(checkout, 'src/main.ts'), 0, 0)
    expect(run()).toEqual({ status: 0, stdout: 'two\n', stderr: expect.stringMatching(BUILDING) })
    expect(existsSync(join(checkout, 'dist/other.js'))).toBe(true)

    await rm(join(checkout, 'src/other.ts'))
    expect(run().stderr).toMatch(BUILDING)
    expect(existsSync(join(checkout, 'dist/other.js'))).toBe(false)
  })

  test('and one that does not compile leaves the build before it as it was', async () => {
    run()
    const before = readFileSync(join(checkout, 'dist/main.js'), 'utf8')
    await write('main.ts', 'const one: string = 1\n')
    const { status, stdout, stderr } = run()
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/main\.ts\(1,7\): error TS2322/)
    expect(stderr).toMatch(/\nThe sources do not compile\. Fix what the compiler lists above\.\n$/)
    expect(readFileSync(join(checkout, 'dist/main.js'), 'utf8')).toBe(before)
    expect((await readdir(checkout)).filter((name) => name.includes('dist'))).toEqual(['dist'])
  })
})

describe('without the compiler', () => {
  const advice = 'Run `npm ci && npm run build`; `npm prune --omit=dev` removes the compiler again.\n'

  test('the build that is there runs, with its sources or without', async () => {
    run()
    await removeCompiler()
    expect(run()).toEqual({ status: 0, stdout: 'one serve --port\n', stderr: '' })
    await rm(join(checkout, 'src'), { recursive: true })
    expect(run()).toEqual({ status: 0, stdout: 'one serve --port\n', stderr: '' })
  })

  test('other sources, or no build, are a sentence', async () => {
    run()
    await removeCompiler()
    await write('main.ts', 'console.log("two")\n')
    expect(run()).toEqual({
      status: 1,
      stdout: '',
      stderr: `The build in dist does not match the sources in src, and the compiler is not installed. ${advice}`,
    })
    await rm(join(checkout, 'dist'), { recursive: true })
    expect(run()).toEqual({
      status: 1,
      stdout: '',
      stderr: `There is no build in dist, and the compiler is not installed. ${advice}`,
    })
    await rm(join(checkout, 'src'), { recursive: true })
    expect(run()).toEqual({
      status: 1,
      stdout: '',
      stderr: 'There is no build in dist, and the folder src is missing. Install Thesaurum again.\n',
    })
  })
})

test('the package holds the program and every migration', async () => {
  const { bin, files } = JSON.parse(readFileSync('package.json', 'utf8')) as { bin: object; files: string[] }
  expect(bin).toEqual({ thesaurum: 'dist/main.js' })
  expect(readFileSync('src/main.ts', 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  expect(files).toEqual(expect.arrayContaining(['dist', 'drizzle/*.sql', 'drizzle/meta/_journal.json']))
})
