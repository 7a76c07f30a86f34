import { randomBytes } from 'node:crypto'
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { createFolder } from '../folder.ts'
import { type Binaries, openBinaries } from './binaries.ts'
import { EmbeddedDatabaseError } from './embedded-error.ts'
import { findSystemUser, lastWords, runAs, type SystemUser } from './system-user.ts'

/**
 * The folder of the embedded database, made at the first start:
 *
 *   DATA_DIR/postgres/          0700, of the user PostgreSQL runs as
 *     cluster/                  PostgreSQL's own data folder
 *     password                  0600, of the superuser and of the ledger's role
 *   DATA_DIR/postgres.log
 *   DATA_DIR/postgres.init-*    one being made
 *
 * It is made under another name and then renamed, password and all: there is a whole database or none, whenever the making was
 * killed, and of two starts at once the later rename fails and uses the winner's.
 */
export interface Cluster {
  readonly dataDir: string
  readonly folder: string
  readonly logFile: string
  readonly password: string
  readonly user: SystemUser | undefined
  readonly binaries: Binaries
  /** A setting on the postmaster's command line by which it is known for certain as the one of this folder. */
  readonly mark: string
}

const abandonedAfterMs = 10 * 60_000

export async function openCluster(
  dataDir: string,
  log: (line: string) => void,
  stop = new AbortController().signal,
): Promise<Cluster> {
  if (process.platform === 'win32') {
    throw new EmbeddedDatabaseError(
      'The embedded PostgreSQL runs on Linux and macOS only: use WSL, or set DATABASE_URL to a PostgreSQL 15 or later.',
    )
  }
  // Against the umask, and only where it is ours to say: the user that root lends PostgreSQL must pass this folder.
  const isNew = await createFolder(dataDir).catch((error) => {
    throw new EmbeddedDatabaseError(
      `The folder ${dataDir} cannot be created (${error.code}). Set DATA_DIR to a folder that this user can write to.`,
      { cause: error },
    )
  })
  if (isNew) await chmod(dataDir, 0o711)
  const home = join(await realpath(dataDir), 'postgres')
  const user = await findSystemUser(home)
  const binaries = await openBinaries({ user, dataDir: await realpath(dataDir), log })
  const folder = join(home, 'cluster')
  stop.throwIfAborted()

  if (!(await stat(home).catch(ignoreMissing))) {
    log(`Creating a PostgreSQL ${binaries.major} database in ${home}`)
    await makeCluster({ dataDir: await realpath(dataDir), home, user, binaries, stop })
  }
  const version = (await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(ignoreMissing))?.trim()
  const password = (await readFile(join(home, 'password'), 'utf8').catch(ignoreMissing))?.trim()
  if (!version || !password) {
    throw new EmbeddedDatabaseError(
      `${home} is not a database that Thesaurum made: move it away, or give the server a folder of its own with DATA_DIR.`,
    )
  }
  if (version !== binaries.major) {
    throw new EmbeddedDatabaseError(
      `The data in ${home} is of PostgreSQL ${version}, and this version of Thesaurum runs PostgreSQL ${binaries.major}. Move the data with the pg_dump of a PostgreSQL ${version}, or give the server a new folder with DATA_DIR.`,
    )
  }
  const { dev, ino } = await stat(folder, { bigint: true })
  return {
    dataDir,
    folder,
    logFile: join(dataDir, 'postgres.log'),
    password,
    user,
    binaries,
    mark: `thesaurum.cluster=${dev}-${ino}`,
  }
}

/**
 * How a process that starts in the folder names it. A user that root lends may not be able to pass the folders above, as under
 * /root: but we start it inside, and this link of Linux leads there without passing them.
 */
export function nameFromInside(cluster: Pick<Cluster, 'folder' | 'user'>): string {
  return cluster.user && process.platform === 'linux' ? '/proc/self/cwd' : cluster.folder
}

async function makeCluster(options: {
  dataDir: string
  home: string
  user: SystemUser | undefined
  binaries: Binaries
  stop: AbortSignal
}): Promise<void> {
  const { dataDir, home, user, binaries, stop } = options
  await removeAbandoned(dataDir)
  const fresh = await mkdtemp(join(dataDir, 'postgres.init-'))
  try {
    const folder = join(fresh, 'cluster')
    const password = join(fresh, 'password')
    await mkdir(folder, { mode: 0o700 })
    await writeFile(password, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 })
    if (user) for (const path of [fresh, folder, password]) await chown(path, user.uid, user.gid)
    const inside = nameFromInside({ folder, user })
    const { succeeded, errors } = await runAs(
      user,
      binaries.initdb,
      [
        `--pgdata=${inside}`,
        '--username=postgres',
        // Not join(), which would take the link and the dots as words and strike out both.
        `--pwfile=${inside}/../password`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
      ],
      { cwd: folder, stop },
    )
    if (!succeeded) {
      throw new EmbeddedDatabaseError(`PostgreSQL could not make its database in ${dataDir}: ${lastWords(errors)}`)
    }
    await rename(fresh, home).catch(ignoreAnotherWinner)
    const parent = await open(dataDir)
    await parent.sync().finally(() => parent.close())
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

/** What a killed start left half-made. By age and not by process id: another container may share the folder. */
async function removeAbandoned(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith('postgres.init-')) continue
    const path = join(dataDir, name)
    const made = await stat(path).catch(ignoreMissing)
    if (made && Date.now() - made.mtimeMs > abandonedAfterMs) await rm(path, { recursive: true, force: true })
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
  return undefined
}

function ignoreAnotherWinner(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
}
