import type { Options } from 'k6/options'
import { suiteOptions } from './options.ts'

/** Everything at once, at `vus` virtual users in all; the script exports a function for each scenario, under its name. */
export function mixtureOptions(vus: number, watcherCount: number, seconds: number, p99Ms: number): Options {
  const duration = `${seconds}s`
  const share = (percent: number) => Math.max(1, Math.round((vus * percent) / 100))
  return suiteOptions(
    {
      transfers: { executor: 'constant-vus', exec: 'transfers', vus: share(60), duration },
      balances: { executor: 'constant-vus', exec: 'balances', vus: share(30), duration },
      histories: { executor: 'constant-vus', exec: 'histories', vus: share(10), duration },
      watchers: {
        executor: 'per-vu-iterations',
        exec: 'watchers',
        vus: watcherCount,
        iterations: 1,
        maxDuration: `${seconds + 30}s`,
      },
    },
    { transfer: p99Ms, balances: p99Ms, history: p99Ms },
    { frames: ['count>0'], frame_time: [`p(99)<${__ENV.P99_MS || p99Ms}`] },
  )
}
