/** There were too many attempts to sign in. */
export class TooManyAttemptsError extends Error {
  override name = 'TooManyAttemptsError'
  /** In milliseconds. */
  readonly retryAfterMs: number
  constructor(retryAfterMs: number) {
    super('too many attempts to sign in')
    this.retryAfterMs = retryAfterMs
  }
}

/** Too many passwords wait to be hashed. Nothing was done. */
export class HashQueueFullError extends Error {
  override name = 'HashQueueFullError'
}
