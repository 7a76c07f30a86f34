import { check } from 'k6'
import { ask } from './ledger-api.ts'
import { conserved, failed } from './metrics.ts'

/**
 * The end of a suite, from `teardown`. Only a ledger that was seen sound is counted, and a threshold wants the count: a teardown
 * that throws, or is never reached, fails the run.
 */
export function checkConservation(): void {
  conclude(ask('ledger', '{ ledger { totals { currency { code } deposited balances } } }')?.ledger)
}

/** The same, and every account recomputed: for suites that leave a small ledger. */
export function checkSoundness(): void {
  const ledger = ask(
    'ledger',
    '{ ledger { totals { currency { code } deposited balances } verification { sound findings { code } } } }',
  )?.ledger
  const isSound = check(ledger, { 'verification finds nothing': (answer) => answer?.verification?.sound === true })
  if (isSound) conclude(ledger)
}

interface Totals {
  currency: { code: string }
  deposited: string
  balances: string
}

function conclude(ledger: { totals: Totals[] } | undefined): void {
  const isConserved = check(ledger, {
    'money of each currency is conserved': (answer) =>
      answer !== undefined &&
      answer.totals.length > 0 &&
      answer.totals.every(({ deposited, balances }) => deposited === balances),
  })
  if (ledger && isConserved) conserved.add(1)
  else failed(`the balances do not come to what was deposited: ${JSON.stringify(ledger?.totals)}`)
}
