import { GraphQLError } from 'graphql'
import { remedyFor } from '../../db/sqlstate.ts'
import { UnavailableError } from '../../ledger/model/unavailable.ts'
import { requestError } from '../../schema/request-error.ts'
import { unreadableRequest, withoutArgumentValue } from './request-errors.ts'

/** What happened, for the log: never for a client. */
export interface Fault {
  error: unknown
  /** The database cannot be reached, or its schema is newer than this server, which passes. Anything else is for an operator to look into. */
  isPassing: boolean
}

const faults = new WeakMap<object, Fault>()

/** The error behind one that a client sees, if that one hides something. */
export function faultBehind(error: object): Fault | undefined {
  return faults.get(error)
}

/** What a client may see of an error: its own words when we wrote them for clients, and nothing of any other. */
export function maskError(error: unknown): GraphQLError {
  const unreadable = unreadableRequest(error)
  if (unreadable) return unreadable
  const original = error instanceof GraphQLError ? error.originalError : error
  if (error instanceof GraphQLError && (!original || original instanceof GraphQLError))
    return withoutArgumentValue(error)
  const place = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {}
  if (original instanceof UnavailableError) {
    return requestError(original.code, original.message, place)
  }
  const isPassing = remedyFor(original) !== 'fault'
  const masked = requestError(isPassing ? 'UNAVAILABLE' : 'INTERNAL_SERVER_ERROR', undefined, place)
  faults.set(masked, { error: original, isPassing })
  return masked
}
