import { ExpectedError } from './expected-error.ts'

export type UnavailableCode = 'OVERLOADED' | 'RETRIES_EXHAUSTED' | 'OUTCOME_UNKNOWN'

/** For people. */
export const UNAVAILABLE_MESSAGES: Readonly<Record<UnavailableCode, string>> = {
  OVERLOADED: 'The ledger is busy. Nothing was written; try again later.',
  RETRIES_EXHAUSTED: 'The ledger could not be reached, or was busy for too long. Nothing was written; try again.',
  OUTCOME_UNKNOWN:
    'It is unknown whether this was written. Send the same request again, with the same idempotency key if it has one.',
}

/** Not a refusal: the same posting with the same key may succeed later, and is safe to send again. */
export class UnavailableError extends ExpectedError {
  override name = 'UnavailableError'
  readonly code: UnavailableCode
  readonly retryable = true
  constructor(code: UnavailableCode, options?: ErrorOptions) {
    super(UNAVAILABLE_MESSAGES[code], options)
    this.code = code
  }
}
