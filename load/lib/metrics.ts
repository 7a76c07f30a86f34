import { Counter, Trend } from 'k6/metrics'

/** Answers that are none, or that should not have been given. */
export const failures = new Counter('failures')
/** Transfers that were refused for want of funds: a rule said no, as it should. */
export const refusals = new Counter('refusals')
/** Postings that were sent again, and answered with the first transaction. */
export const replays = new Counter('replays')
/** Once a run: what was deposited is what the accounts hold. */
export const conserved = new Counter('conserved')
export const frames = new Counter('frames')
/** From `createdAt`, PostgreSQL's clock before the commit, to the frame: true only where both have the same clock. */
export const frameTime = new Trend('frame_time', true)

let hasSpoken = false

/** Counts a failure. Each virtual user tells of its first: a thousand of them say enough. */
export function failed(what: string): void {
  failures.add(1)
  if (!hasSpoken) console.error(what)
  hasSpoken = true
}
