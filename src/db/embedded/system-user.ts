import { spawn } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { EmbeddedDatabaseError } from './embedded-error.ts'

/** Whom PostgreSQL runs as, in the numbers that spawn and chown take. Undefined: as ourselves. */
export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

/** All that PostgreSQL needs to know of our environment; TZ is what initdb writes down as the server's time zone. */
export const childEnvironment = { LC_ALL: 'C', TZ: 'UTC' }

/**
 * PostgreSQL refuses to run as root. So root lends it the owner of the folder it already has, else the user `postgres`, else
 * `nobody`. The user must have a line in /etc/passwd: initdb looks up its own name, and a bare number fails.
 */
export async function findSystemUser(folder: string): Promise<SystemUser | undefined> {
  const owner = await stat(folder).catch(() => undefined)
  if (process.getuid?.() !== 0) {
    if (owner && owner.uid !== process.getuid?.()) {
      throw new EmbeddedDatabaseError(
        `The database in ${folder} belongs to another user (uid ${owner.uid}): start the server as that user or as root, or give it a folder of its own with DATA_DIR.`,
      )
    }
    return undefined
  }
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const users = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'))
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const [, , uid, gid] = users.find(([user]) => user === name) ?? []
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new EmbeddedDatabaseError(
    'PostgreSQL refuses to run as root, and this machine has no user "postgres" or "nobody" to run it as: add one, start the server as an ordinary user, or set DATABASE_URL.',
  )
}

/**
 * Runs a command to its end as `user`.
 *
 * @param stop kills it; its end, and that of its own children who write to the same pipes, is waited for.
 * @throws where it cannot be started at all (EACCES, ENOENT, EPERM).
 */
export function runAs(
  user: SystemUser | undefined,
  command: string,
  parameters: readonly string[],
  { cwd = '/', stop }: { cwd?: string; stop?: AbortSignal } = {},
): Promise<{ succeeded: boolean; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    stop?.throwIfAborted()
    const child = spawn(command, parameters, {
      cwd,
      env: childEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    })
    const kill = () => void child.kill('SIGKILL')
    stop?.addEventListener('abort', kill)
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.once('error', reject)
    child.once('close', (code) => {
      stop?.removeEventListener('abort', kill)
      resolve({ succeeded: code === 0, output: output.trim(), errors })
    })
  })
}

/** The end of what PostgreSQL's programs say of a failure, on one line and without the times and the progress. */
export function lastWords(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/^\S+ \S+ \S+ \[\d+\] /, '').trim())
    .filter((line) => line && !/^(CONTEXT: |STATEMENT: |Aborted|child process|initdb: removing)/.test(line))
    .filter((line) => !line.startsWith('LOG: ') || /could not|invalid|error/.test(line))
    .slice(-3)
    .join('; ')
    .replaceAll(/: {2,}/g, ': ')
}
