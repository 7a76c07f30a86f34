import { check } from 'k6'
import exec from 'k6/execution'
import { type Account, accounts } from './accounts.ts'
import { askBalances } from './balances.ts'
import { failed } from './metrics.ts'
import { openSubscription } from './subscription.ts'

const POLL_INTERVAL_MS = 50
/** How long after the load the last entry may still be on its way. */
const LATE_MAX_MS = 10_000
/** How many balances are asked for at once. */
const BALANCES_MAX = 100

/**
 * One virtual user of `watcherCount` watches its share of the accounts for so long, cuts each connection halfway, and in the end
 * has seen every entry that the accounts have.
 */
export function watchAccounts(watcherCount: number, seconds: number): void {
  const turn = exec.scenario.iterationInTest
  const mine = accounts.filter((_, index) => index % watcherCount === turn).slice(0, BALANCES_MAX)
  const starts = askBalances('balances', mine)
  if (!starts) return
  const subscriptions = mine.map((account, index) =>
    openSubscription(account, starts[index] as { cursor: string; sequence: number }),
  )
  const closeAll = () => {
    for (const subscription of subscriptions) subscription.close()
  }

  setTimeout(() => {
    for (const subscription of subscriptions) subscription.resume()
  }, seconds * 500)
  setTimeout(() => awaitAll(mine, Date.now() + LATE_MAX_MS), seconds * 1_000)

  function awaitAll(watched: Account[], until: number): void {
    const ends = askBalances('balances', watched)
    if (!ends) {
      closeAll()
      return
    }
    const goals = ends.map(({ sequence }) => sequence)
    const poll = () => {
      const isDone = subscriptions.every((subscription, index) => subscription.sequence() >= (goals[index] as number))
      if (!isDone && Date.now() < until) {
        setTimeout(poll, POLL_INTERVAL_MS)
        return
      }
      if (!check(isDone, { 'every entry arrives': (done) => done })) failed('subscription: entries are missing')
      closeAll()
    }
    poll()
  }
}
