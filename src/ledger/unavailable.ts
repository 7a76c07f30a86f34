import { ExpectedError } from './expected-error.ts'

export type UnavailableCode = 'OVERLOADED' | 'RETRIES_EXHAUSTED' | 'OUTCOME_UNKNOWN'

const MESSAGES: Readonly<Record<UnavailableCode, string>> = {
  OVERLOADED: 'The ledger is busy. Nothing was posted; send it again a little later.',
  RETRIES_EXHAUSTED: 'The ledger could not be reached or was busy for too long. Nothing was posted; send it again.',
  OUTCOME_UNKNOWN: 'Whether this was posted is not known. Send it again with the same idempotency key to find out.',
}

/** Not a refusal: the same posting with the same key may succeed later, and is safe to send again. */
export class UnavailableError extends ExpectedError {
  override name = 'UnavailableError'
  readonly code: UnavailableCode
  readonly retryable = true
  constructor(code: UnavailableCode, options?: ErrorOptions) {
    super(MESSAGES[code], options)
    this.code = code
  }
}
