import { check } from 'k6'
import { ask } from './ledger-api.ts'
import { conserved, failed } from './metrics.ts'

/**
 * The end of a suite, from `teardown`. Only a ledger that was seen sound is counted, and a threshold wants the count: a teardown
 * that throws, or is never reached, fails the run.
 */
export function checkConservation(): void {
  conclude(ask('ledger', '{ ledger { deposited balances } }')?.ledger)
}

/** The same, and every account recomputed: for suites that leave a small ledger. */
export function checkSoundness(): void {
  const ledger = ask('ledger', '{ ledger { deposited balances verification { sound findings { code } } } }')?.ledger
  const isSound = check(ledger, { 'verification finds nothing': (answer) => answer?.verification?.sound === true })
  if (isSound) conclude(ledger)
}

function conclude(ledger: { deposited: string; balances: string } | undefined): void {
  const isConserved = check(ledger, { 'money is conserved': (answer) => answer?.deposited === answer?.balances })
  if (ledger && isConserved) conserved.add(1)
  else failed(`deposited ${ledger?.deposited}, and the balances come to ${ledger?.balances}`)
}
