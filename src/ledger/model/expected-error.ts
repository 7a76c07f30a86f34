/**
 * An error that is an answer to a client. Its place in the code does not matter, so it captures no stack: capturing and
 * formatting one costs ten times as much as everything else of a refusal.
 */
export class ExpectedError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message, options)
    Error.stackTraceLimit = stackTraceLimit
  }
}
