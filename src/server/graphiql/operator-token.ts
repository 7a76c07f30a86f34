import { chmod, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Auth } from '../../auth/auth.ts'
import { ConfigError } from '../../config.ts'
import { createFolder } from '../../db/folder.ts'

/** For as long as anybody develops on one database. */
const DEMO_SESSION_MS = 10 * 365 * 24 * 3_600_000

/**
 * The token of the demo operator, for development: kept in a file that only its owner can read, where examples and load
 * tests find it. Of another database, or ended, it is made anew.
 */
export async function openOperatorToken(auth: Auth, dataDir: string): Promise<{ token: string; path: string }> {
  const path = join(dataDir, 'operator-token')
  const kept = (await readFile(path, 'utf8').catch(() => '')).trim()
  const viewer = await auth.authenticator.check(kept)
  if (viewer?.role === 'OPERATOR') {
    await chmod(path, 0o600)
    return { token: kept, path }
  }
  const sessions = { idleTimeoutMs: DEMO_SESSION_MS, lifetimeMs: DEMO_SESSION_MS }
  const { token } = await auth.operators.openDemoSession(sessions)
  try {
    await keep(token, dataDir, path)
  } catch {
    throw new ConfigError(
      `The demo operator's token cannot be written to ${path}. Set DATA_DIR to a folder that this user can write to.`,
    )
  }
  return { token, path }
}

async function keep(token: string, dataDir: string, path: string): Promise<void> {
  await createFolder(dataDir, 0o711)
  // At once, and with a mode of its own: several servers may start together, and a file that was there may be open to others.
  const written = `${path}.${process.pid}`
  await writeFile(written, `${token}\n`, { mode: 0o600 })
  await rename(written, path)
}
