import { ExpectedError } from './expected-error.ts'

export type UnavailableCode = 'OVERLOADED' | 'RETRIES_EXHAUSTED' | 'OUTCOME_UNKNOWN'

/** For people. */
export const UNAVAILABLE_MESSAGES: Readonly<Record<UnavailableCode, string>> = {
  OVERLOADED: 'The ledger is busy. Nothing was posted; try again later.',
  RETRIES_EXHAUSTED: 'The ledger could not be reached, or was busy for too long. Nothing was posted; try again.',
  OUTCOME_UNKNOWN: 'It is unknown whether this was posted. Send it again with the same idempotency key to find out.',
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
