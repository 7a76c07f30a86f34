import { canonicalEmail } from '../auth/model/email.ts'
import { type Flags, readConfig, UsageError } from '../config.ts'
import { withAuth } from './auth.ts'
import { withDatabase } from './database.ts'
import { unlessStopped } from './stop.ts'

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
    unlessStopped(stop, () =>
      withAuth(config, url, async (auth) => {
        const { password } = await auth.operators.make(email)
        console.log(`${email} is an operator. The password, which is shown only this once:\n\n  ${password}\n`)
      }),
    ),
  )
}
