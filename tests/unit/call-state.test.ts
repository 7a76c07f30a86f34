import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { toAccountId } from '../../src/db/ids.ts'
import { SQLSTATE } from '../../src/db/sqlstate.ts'
import { NotConnectedError, OutcomeUnknownError } from '../../src/db/transaction.ts'
import { ClockBehindError, KeyTakenError } from '../../src/ledger/posting/batch.ts'
import { type CallEvent, type CallState, nextState, QUEUED } from '../../src/ledger/posting/call-state.ts'

const failed = (error: unknown): CallEvent => ({ type: 'failed', error })
const locked = (account: string): CallEvent => ({ type: 'locked', accountId: toAccountId(account) })
const answered: CallEvent = { type: 'answered' }
const taken: CallEvent = { type: 'taken' }
const queued: CallEvent = { type: 'queued' }
const passedOver: CallEvent = { type: 'passed over' }

const stateAfter = (...events: CallEvent[]): CallState => events.reduce(nextState, QUEUED)

/** As PostgreSQL reports them. */
const postgresError = (code: string) => Object.assign(new pg.DatabaseError('', 0, 'error'), { code, severity: 'ERROR' })
const SERIALIZATION = postgresError('40001')
const LOCK_TIMEOUT = postgresError(SQLSTATE.LOCK_NOT_AVAILABLE)
const FAULT = postgresError('23514')
const AWAY = new NotConnectedError('away', { cause: new Error('Connection terminated') })
const UNKNOWN = new OutcomeUnknownError('no answer')

describe('a call is in one place', () => {
  test.each<[CallState['place'], CallEvent[]]>([
    ['queued', []],
    ['in flight', [taken]],
    ['waiting', [locked('a')]],
    ['waiting', [taken, locked('a')]],
    ['waiting', [locked('a'), passedOver]],
    ['in flight', [locked('a'), taken]],
    ['queued', [locked('a'), taken, queued]],
    ['pausing', [locked('a'), failed(SERIALIZATION)]],
    ['pausing', [taken, failed(SERIALIZATION)]],
    ['queued', [taken, failed(SERIALIZATION), queued]],
    ['answered', [answered]],
    ['answered', [taken, answered]],
    ['answered', [locked('a'), answered]],
    ['answered', [taken, failed(SERIALIZATION), answered]],
  ])('%s after %j', (place, events) => {
    expect(stateAfter(...events).place).toBe(place)
  })

  test.each<[string, CallEvent[], CallEvent[]]>([
    ['queued', [], [queued, passedOver, failed(SERIALIZATION)]],
    ['in flight', [taken], [taken, passedOver]],
    ['waiting', [locked('a')], [queued, locked('a')]],
    ['pausing', [taken, failed(SERIALIZATION)], [taken, locked('a'), passedOver, failed(SERIALIZATION)]],
    ['answered', [answered], [queued, taken, locked('a'), passedOver, failed(SERIALIZATION), answered]],
  ])('and what cannot happen to one that is %s is refused', (place, events, impossible) => {
    const state = stateAfter(...events)
    for (const event of impossible) {
      expect(() => nextState(state, event)).toThrow(`a call that is ${place} cannot be ${event.type}`)
    }
  })

  test('and a state does not change', () => {
    const state = Object.freeze(stateAfter(taken))
    nextState(state, failed(FAULT))
    expect(state).toEqual({ ...QUEUED, place: 'in flight' })
  })
})

describe('a call knows what it has met', () => {
  const again = (error: unknown) => [taken, failed(error), queued]

  test('attempts count, and connections that could not be had are failures only', () => {
    const state = stateAfter(...again(SERIALIZATION), ...again(AWAY), ...again(LOCK_TIMEOUT))
    expect(state).toMatchObject({ attempts: 2, failures: 3, lockFailures: 1, lastFailure: LOCK_TIMEOUT })
  })

  test.each<[string, boolean, CallEvent[]]>([
    ['its second failed attempt', true, [...again(SERIALIZATION), ...again(new KeyTakenError('taken'))]],
    ['a fault', true, again(FAULT)],
    ['a fault, whatever follows', true, [...again(FAULT), ...again(AWAY)]],
    ['one failed attempt', false, again(SERIALIZATION)],
    ['a clock that is behind', false, again(new ClockBehindError('behind'))],
    ['a database that is away', false, [...again(AWAY), ...again(AWAY)]],
  ])('after %s: it runs alone: %s', (_what, isAlone, events) => {
    expect(stateAfter(...events).isAlone).toBe(isAlone)
  })

  test('an unknown outcome stays, whatever fails later', () => {
    expect(stateAfter(...again(UNKNOWN), ...again(SERIALIZATION), answered).unknownOutcome).toBe(UNKNOWN)
  })

  test('it waits once for an account that it meets again, and once more for another', () => {
    expect(stateAfter(locked('a'), taken, locked('a')).waits).toBe(1)
    expect(stateAfter(locked('a'), taken, locked('b'), taken, locked('a')).waits).toBe(3)
    expect(stateAfter(locked('a'), passedOver, passedOver)).toMatchObject({ waits: 3, lockedAccountId: 'a' })
  })
})
