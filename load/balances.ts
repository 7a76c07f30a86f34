import { accounts, anyAccount } from './lib/accounts.ts'
import { checkKnownBalance } from './lib/balances.ts'
import { checkSoundness } from './lib/conservation.ts'
import { durationSeconds, virtualUsers } from './lib/knobs.ts'
import { suiteOptions } from './lib/options.ts'

export { handleSummary } from './lib/summary.ts'

/* Balances of accounts that rest: first those with one deposit, then those with ten to a hundred transactions. */

const duration = `${durationSeconds(30)}s`
const vus = virtualUsers(100)
const half = Math.floor(accounts.length / 2)

export const options = suiteOptions(
  {
    simple: { executor: 'constant-vus', exec: 'simple', vus, duration, gracefulStop: '5s' },
    complex: { executor: 'constant-vus', exec: 'complex', vus, duration, startTime: duration },
  },
  { balance_simple: 250, balance_complex: 250 },
)

export const simple = () => checkKnownBalance('balance_simple', anyAccount(0, half))
export const complex = () => checkKnownBalance('balance_complex', anyAccount(half, accounts.length))
export const teardown = checkSoundness
