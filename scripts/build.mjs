import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * The build: `dist`, compiled from `src`. It carries the hash of the sources that it was made from. So a start sees a changed, added or
 * deleted source by its content, and a checkout that only touches times compiles nothing.
 *
 * It is compiled into a folder of its own and then renamed: there is a whole build or the one before, and no file of a deleted source.
 * Everything is printed on stderr: stdout belongs to the command that runs next.
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DIST = join(ROOT, 'dist')
const HASH_FILE = 'sources.sha256'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** One sentence for the person at the console, and the end. */
function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}

/** @returns the hash of all that the build is made from; undefined where there are no sources, as in an image or a package. */
function hashSources() {
  if (!existsSync(join(ROOT, 'src'))) return undefined
  const names = readdirSync(join(ROOT, 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'))
  const paths = ['tsconfig.json', 'tsconfig.build.json', ...names.sort().map((name) => join('src', name))]
  const hash = createHash('sha256')
  for (const path of paths)
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0')
  return hash.digest('hex')
}

function findCompiler() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  } catch {
    return undefined
  }
}

/** Compiles the sources into `dist`. */
async function build() {
  const hash = hashSources()
  if (hash === undefined) fail('There is nothing to build: the folder src is missing.')
  const compiler = findCompiler()
  if (compiler === undefined) {
    fail('The compiler is not installed. Run `npm ci`, without --omit=dev and with NODE_ENV unset.')
  }
  const fresh = join(ROOT, `.dist-${process.pid}`)
  const { code, stoppedBy } = await compile(compiler, fresh)
  if (code !== 0 || stoppedBy !== undefined) rmSync(fresh, { recursive: true, force: true })
  if (stoppedBy !== undefined) process.exit(128 + constants.signals[stoppedBy])
  if (code !== 0) fail('The sources do not compile. Fix what the compiler lists above.')
  chmodSync(join(fresh, 'main.js'), 0o755)
  writeFileSync(join(fresh, HASH_FILE), `${hash}\n`)
  replaceDist(fresh)
}

/**
 * Runs the compiler, in a process group of its own: it is a script that starts a program, and a signal has to end both. They share the pipes,
 * so these close when both are gone.
 */
async function compile(compiler, outDir) {
  const child = spawn(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', outDir], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  child.stdout.pipe(process.stderr)
  child.stderr.pipe(process.stderr)
  let stoppedBy
  const stop = (signal) => {
    stoppedBy = signal
    process.kill(-child.pid, 'SIGTERM')
  }
  for (const signal of SIGNALS) process.on(signal, stop)
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  for (const signal of SIGNALS) process.off(signal, stop)
  return { code, stoppedBy }
}

function replaceDist(fresh) {
  const old = `${fresh}-old`
  if (existsSync(DIST)) renameSync(DIST, old)
  try {
    renameSync(fresh, DIST)
  } catch (error) {
    // Another build, of the same sources, was first.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  } finally {
    rmSync(old, { recursive: true, force: true })
  }
}

/** Builds only where there is no build, or it was made from other sources. */
export async function bringUpToDate() {
  const isBuilt = existsSync(join(DIST, 'main.js'))
  const hash = hashSources()
  if (hash === undefined) {
    if (isBuilt) return
    fail('There is no build in dist, and the folder src is missing. Install Thesaurum again.')
  }
  if (isBuilt && readHash() === hash) return
  const state = isBuilt ? 'The build in dist does not match the sources in src' : 'There is no build in dist'
  if (findCompiler() === undefined) {
    fail(
      `${state}, and the compiler is not installed. Run \`npm ci && npm run build\`; \`npm prune --omit=dev\` removes the compiler again.`,
    )
  }
  console.error(`${state}: building …`)
  await build()
}

function readHash() {
  try {
    return readFileSync(join(DIST, HASH_FILE), 'utf8').trim()
  } catch {
    return undefined
  }
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await build()
