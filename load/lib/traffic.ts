import { accounts, anyAccount, randomBelow } from './accounts.ts'
import { transfer, transferTooMuch } from './posting.ts'

/** How many of a hundred transfers ask for more than there is anywhere. */
const GREEDY_PERCENT = 2
const AMOUNT_MAX = 1_000

/** A transfer between two accounts drawn by lot. */
export function transferAtRandom(): void {
  const source = randomBelow(accounts.length)
  // Any but the source itself.
  const destination = (source + 1 + randomBelow(accounts.length - 1)) % accounts.length
  const [from, to] = [anyAccount(source, source + 1), anyAccount(destination, destination + 1)]
  if (randomBelow(100) < GREEDY_PERCENT) transferTooMuch(from, to)
  else transfer(from, to, 1 + randomBelow(AMOUNT_MAX))
}
