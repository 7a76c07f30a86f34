import { checkConservation } from './lib/conservation.ts'
import { durationSeconds, virtualUsers } from './lib/knobs.ts'
import { suiteOptions } from './lib/options.ts'
import { transferAtRandom } from './lib/traffic.ts'

export { handleSummary } from './lib/summary.ts'

/* The old headline: ten thousand users, up to a thousand virtual users, each with a transfer under way all the time. */

const seconds = durationSeconds(60)

export const options = suiteOptions(
  {
    transfers: {
      executor: 'ramping-vus',
      exec: 'transfers',
      startVUs: 1,
      stages: [
        { duration: `${Math.ceil(seconds / 2)}s`, target: virtualUsers(1_000) },
        { duration: `${seconds}s`, target: virtualUsers(1_000) },
        { duration: `${Math.ceil(seconds / 6)}s`, target: 0 },
      ],
    },
  },
  { transfer: 1_000 },
)

export const transfers = transferAtRandom
export const teardown = checkConservation
