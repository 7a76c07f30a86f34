import { checkPastBalance } from './lib/balances.ts'
import { checkConservation } from './lib/conservation.ts'
import { walkHistory } from './lib/history.ts'
import { durationSeconds, virtualUsers } from './lib/knobs.ts'
import { mixtureOptions } from './lib/mixture.ts'
import { transferAtRandom } from './lib/traffic.ts'
import { watchAccounts } from './lib/watchers.ts'

export { handleSummary } from './lib/summary.ts'

/* All that clients do, side by side. */

const WATCHERS = 10
const seconds = durationSeconds(60)

export const options = mixtureOptions(virtualUsers(100), WATCHERS, seconds, 500)

export const transfers = transferAtRandom
export const balances = checkPastBalance
export const histories = () => walkHistory()
export const watchers = () => watchAccounts(WATCHERS, seconds)
export const teardown = checkConservation
