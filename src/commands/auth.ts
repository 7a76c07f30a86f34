import { type Auth, openAuth } from '../auth/auth.ts'
import type { Config } from '../config.ts'
import { authOptions } from '../server/options.ts'
import { warn } from './warn.ts'

/** Opens auth on a database for a command that asks it and ends. */
export async function withAuth<Result>(
  config: Config,
  url: string,
  work: (auth: Auth) => Promise<Result>,
): Promise<Result> {
  const auth = await openAuth(authOptions(config, url, warn))
  try {
    return await work(auth)
  } finally {
    await auth.close()
  }
}
