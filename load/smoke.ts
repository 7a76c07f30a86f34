import { checkPastBalance } from './lib/balances.ts'
import { checkSoundness } from './lib/conservation.ts'
import { walkHistory } from './lib/history.ts'
import { durationSeconds, virtualUsers } from './lib/knobs.ts'
import { mixtureOptions } from './lib/mixture.ts'
import { transferAtRandom } from './lib/traffic.ts'
import { watchAccounts } from './lib/watchers.ts'

export { handleSummary } from './lib/summary.ts'

/* Everything once, in seconds: for a change that is about to land. Its bound of latency is for machines that are busy. */

const WATCHERS = 2
const seconds = durationSeconds(3)

export const options = mixtureOptions(virtualUsers(5), WATCHERS, seconds, 5_000)

export const transfers = transferAtRandom
export const balances = checkPastBalance
export const histories = () => walkHistory()
export const watchers = () => watchAccounts(WATCHERS, seconds)
export const teardown = checkSoundness
