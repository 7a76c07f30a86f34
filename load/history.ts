import { anyAccount } from './lib/accounts.ts'
import { checkSoundness } from './lib/conservation.ts'
import { walkHistory } from './lib/history.ts'
import { durationSeconds, virtualUsers } from './lib/knobs.ts'
import { suiteOptions } from './lib/options.ts'
import { deposit } from './lib/posting.ts'

export { handleSummary } from './lib/summary.ts'

/* Whole histories, page by page, while the accounts grow. */

const duration = `${durationSeconds(30)}s`

export const options = suiteOptions(
  {
    histories: { executor: 'constant-vus', exec: 'histories', vus: virtualUsers(20), duration },
    deposits: {
      executor: 'constant-arrival-rate',
      exec: 'deposits',
      rate: 20,
      duration,
      preAllocatedVUs: 5,
      maxVUs: 20,
    },
  },
  { history: 500, deposit: 500 },
)

export const histories = () => walkHistory()
export const deposits = () => deposit(anyAccount(), 1)
export const teardown = checkSoundness
