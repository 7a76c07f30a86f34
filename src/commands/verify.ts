import type { AddressFinding } from '../auth/model/address-finding.ts'
import type { Flags } from '../config.ts'
import { withAuth } from './auth.ts'
import { withLedger } from './ledger.ts'

/** Recomputes the whole ledger and prints what is wrong; the exit code is 1 if anything is. */
export const verify = (flags: Flags, stop: AbortSignal) =>
  withLedger(flags, stop, async (ledger, config, url) => {
    const findings = await ledger.verify()
    for (const { code, accountId, sequence, message } of findings) {
      console.error(`${code}: account_${accountId}${sequence === null ? '' : `, entry ${sequence}`}: ${message}`)
    }
    const addresses = await withAuth(config, url, (auth) => auth.checkAddresses())
    for (const finding of addresses) console.error(`ADDRESS_NOT_CANONICAL: ${describeAddress(finding)}`)
    if (findings.length > 0 || addresses.length > 0) process.exitCode = 1
    if (addresses.length > 0) console.log(`E-mail addresses to fix: ${addresses.length}. Nobody can sign in with them.`)
    console.log(
      findings.length === 0 ? 'The ledger is sound.' : `The ledger is NOT sound: ${findings.length} findings.`,
    )
  })

/** What is wrong with a user's address, and how an operator of the database puts it right. */
function describeAddress({ userId, canonical, sharedWith }: AddressFinding): string {
  const user = `user_${userId}`
  if (canonical === null) return `${user}: the e-mail address is not valid. Give the user another one.`
  if (sharedWith.length === 0) {
    const literal = canonical.replaceAll("'", "''")
    return `${user}: the e-mail address is not in its canonical form. To fix it: update public.users set email = '${literal}', updated_at = now() where id = '${userId}';`
  }
  const others = sharedWith.map((id) => `user_${id}`).join(', ')
  return `${user}: the e-mail address is the same as that of ${others}. Decide who keeps it, and give the others another one.`
}
