import { sleep } from 'k6'
import { accounts, anyAccount, randomBelow } from './lib/accounts.ts'
import { checkTotal } from './lib/balances.ts'
import { checkConservation } from './lib/conservation.ts'
import { durationSeconds, virtualUsers } from './lib/knobs.ts'
import { suiteOptions } from './lib/options.ts'
import { transfer } from './lib/posting.ts'

export { handleSummary } from './lib/summary.ts'

/* Every transfer has the same account on one side. An auditor adds all balances up meanwhile. */

const duration = `${durationSeconds(30)}s`
/** How many of a hundred transfers come back to the hot account. */
const RETURNED_PERCENT = 20

export const options = suiteOptions(
  {
    transfers: { executor: 'constant-vus', exec: 'transfers', vus: virtualUsers(100), duration },
    audits: { executor: 'constant-vus', exec: 'audits', vus: 1, duration },
  },
  { transfer: 500, balances: 500 },
)

export function transfers() {
  const hot = anyAccount(0, 1)
  const other = anyAccount(1, accounts.length)
  if (randomBelow(100) < RETURNED_PERCENT) transfer(other, hot, 1)
  else transfer(hot, other, 1)
}

export function audits() {
  checkTotal()
  sleep(0.2)
}

export const teardown = checkConservation
