import type { AccountId } from '../../db/ids.ts'
import { SQLSTATE, sqlstateOf } from '../../db/sqlstate.ts'
import { NotConnectedError, OutcomeUnknownError } from '../../db/transaction.ts'
import { ATTEMPTS_TOGETHER_MAX, isPassing } from './retry.ts'

/*
 * The state of a call: where it is, and what it has met so far. A state is immutable. Only `nextState` makes a new one, and
 * it refuses what must not happen: a call that was answered, for example, is never taken again.
 */

/** Where a call may be, and where each event takes it. */
const NEXT = {
  /** In the queue. It waits until a batch takes it. */
  queued: { taken: 'in flight', locked: 'waiting', answered: 'answered' },
  /** In a batch that runs. */
  'in flight': { locked: 'waiting', failed: 'pausing', queued: 'queued', answered: 'answered' },
  /** In the lock queue of an account. */
  waiting: { taken: 'in flight', 'passed over': 'waiting', failed: 'pausing', answered: 'answered' },
  /** Between two attempts, or about to be given up. */
  pausing: { queued: 'queued', answered: 'answered' },
  answered: {},
} as const satisfies Record<string, Partial<Record<CallEvent['type'], string>>>

export type Place = keyof typeof NEXT

export type CallEvent =
  /** It is in the queue again. */
  | { readonly type: 'queued' }
  /** A batch runs it. */
  | { readonly type: 'taken' }
  /** Another process has locked one of its accounts. */
  | { readonly type: 'locked'; readonly accountId: AccountId }
  /** It did not get the locks of all its accounts in time, and lets others go first. */
  | { readonly type: 'passed over' }
  /** An attempt wrote nothing, or its outcome is unknown. */
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'answered' }

export interface CallState {
  readonly place: Place
  /** Database transactions that failed. */
  readonly attempts: number
  /** Failed database transactions and failed connections. The pauses grow with them. */
  readonly failures: number
  /** Attempts that failed because of a lock. */
  readonly lockFailures: number
  /** It runs in a batch of its own, because a batch with it failed. */
  readonly isAlone: boolean
  /** How often it began to wait for another account than before, or was passed over. */
  readonly waits: number
  /** The account that it waits for, or waited for last. */
  readonly lockedAccountId: AccountId | undefined
  readonly lastFailure: unknown
  /** Set when the outcome of an attempt is unknown. Only a definite answer ends that; another failure does not. */
  readonly unknownOutcome: OutcomeUnknownError | undefined
}

/** The state of a new call. */
export const QUEUED: CallState = {
  place: 'queued',
  attempts: 0,
  failures: 0,
  lockFailures: 0,
  isAlone: false,
  waits: 0,
  lockedAccountId: undefined,
  lastFailure: undefined,
  unknownOutcome: undefined,
}

/** A query is also canceled by the statement's own timeout. */
const LOCKED: ReadonlySet<string> = new Set([SQLSTATE.LOCK_NOT_AVAILABLE, SQLSTATE.QUERY_CANCELED])

/**
 * The state after an event.
 *
 * @throws {TypeError} when the event cannot happen in this state. That is a bug of the engine.
 */
export function nextState(state: CallState, event: CallEvent): CallState {
  const next: Partial<Record<CallEvent['type'], Place>> = NEXT[state.place]
  const place = next[event.type]
  if (place === undefined) throw new TypeError(`a call that is ${state.place} cannot be ${event.type}`)
  switch (event.type) {
    case 'locked': {
      const { accountId } = event
      const waits = state.lockedAccountId === accountId ? state.waits : state.waits + 1
      return { ...state, place, waits, lockedAccountId: accountId }
    }
    case 'passed over':
      return { ...state, place, waits: state.waits + 1 }
    case 'failed':
      return afterFailure(state, place, event.error)
    default:
      return { ...state, place }
  }
}

function afterFailure(state: CallState, place: Place, error: unknown): CallState {
  // A transaction that never began is no attempt: while the database is away only the deadline counts.
  const attempts = error instanceof NotConnectedError ? state.attempts : state.attempts + 1
  return {
    ...state,
    place,
    attempts,
    failures: state.failures + 1,
    lockFailures: LOCKED.has(sqlstateOf(error) ?? '') ? state.lockFailures + 1 : state.lockFailures,
    // It may be the cause of a fault, or of repeated failures.
    isAlone: state.isAlone || !isPassing(error) || attempts >= ATTEMPTS_TOGETHER_MAX,
    lastFailure: error,
    unknownOutcome: error instanceof OutcomeUnknownError ? error : state.unknownOutcome,
  }
}
