import { check } from 'k6'
import exec from 'k6/execution'
import { type Account, accounts } from './accounts.ts'
import { askBalances } from './balances.ts'
import { failed } from './metrics.ts'
import { openSubscriptions, type Watched } from './subscription.ts'

const POLL_INTERVAL_MS = 50
/** How long after the load the last entry may still be on its way. */
const LATE_MAX_MS = 10_000
/** How many operations the server allows on one socket. */
const SUBSCRIPTIONS_MAX = 100

/**
 * One virtual user of `watcherCount` watches its share of the accounts for so long, cuts the connection halfway, and in the end
 * has seen every entry that the accounts have.
 */
export function watchAccounts(watcherCount: number, seconds: number): void {
  const turn = exec.scenario.iterationInTest
  const mine = accounts.filter((_, index) => index % watcherCount === turn).slice(0, SUBSCRIPTIONS_MAX)
  const starts = askBalances('balances', mine)
  if (!starts) return
  const watched = starts.map(
    ({ cursor, sequence }, index): Watched => ({ account: mine[index] as Account, cursor, sequence }),
  )
  const subscriptions = openSubscriptions(watched)
  setTimeout(() => subscriptions.resume(), seconds * 500)
  setTimeout(awaitAll, seconds * 1_000)

  function awaitAll(): void {
    const ends = askBalances('balances', mine) ?? []
    const until = Date.now() + LATE_MAX_MS
    const poll = () => {
      const isDone = ends.every(({ sequence }, index) => (watched[index] as Watched).sequence >= sequence)
      if (!isDone && Date.now() < until) {
        setTimeout(poll, POLL_INTERVAL_MS)
        return
      }
      if (!check(isDone, { 'every entry arrives': (done) => done })) failed('subscription: entries are missing')
      subscriptions.close()
    }
    poll()
  }
}
