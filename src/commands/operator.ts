import { openAuth } from '../auth/auth.ts'
import { canonicalEmail } from '../auth/email.ts'
import { makeOperator } from '../auth/operators.ts'
import { type Flags, readConfig, UsageError } from '../config.ts'
import { authOptions } from '../server/options.ts'
import { withDatabase } from './database.ts'
import { unlessStopped } from './stop.ts'
import { warn } from './warn.ts'

/**
 * Creates an operator, or gives one a new password, and prints the password.
 *
 * @param address the operator's e-mail address, as it was typed.
 * @throws {UsageError} where it is not one.
 */
export async function operator(address: string, flags: Flags, stop: AbortSignal): Promise<void> {
  const email = canonicalEmail(address)
  if (email === undefined)
    throw new UsageError('This is not an e-mail address. Give one, as in: operator you@example.com')
  const config = readConfig(undefined, { serves: false, flags })
  await withDatabase(config, stop, (url) =>
    unlessStopped(stop, async () => {
      const auth = await openAuth(authOptions(config, url, warn))
      try {
        const { password } = await makeOperator(auth.database, email)
        console.log(`${email} is an operator. The password, which is shown only this once:\n\n  ${password}\n`)
      } finally {
        await auth.close()
      }
    }),
  )
}
