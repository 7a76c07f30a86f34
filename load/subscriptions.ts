import { anyAccount } from './lib/accounts.ts'
import { checkSoundness } from './lib/conservation.ts'
import { durationSeconds, virtualUsers } from './lib/knobs.ts'
import { suiteOptions } from './lib/options.ts'
import { deposit } from './lib/posting.ts'
import { watchAccounts } from './lib/watchers.ts'

export { handleSummary } from './lib/summary.ts'

/* A thousand accounts watched on a few sockets, each cut and resumed once, while deposits come to all of them. */

const seconds = durationSeconds(30)
const vus = virtualUsers(40)

export const options = suiteOptions(
  {
    watchers: {
      executor: 'per-vu-iterations',
      exec: 'watchers',
      vus,
      iterations: 1,
      maxDuration: `${seconds + 30}s`,
    },
    deposits: {
      executor: 'constant-arrival-rate',
      exec: 'deposits',
      rate: 200,
      duration: `${seconds}s`,
      preAllocatedVUs: 20,
      maxVUs: 100,
    },
  },
  { deposit: 500 },
  { frames: ['count>0'], frame_time: [`p(99)<${__ENV.P99_MS || 250}`] },
)

export const watchers = () => watchAccounts(vus, seconds)
export const deposits = () => deposit(anyAccount(), 1)
export const teardown = checkSoundness
