/**
 * An error that is an answer: it says what a client is to be answered, and its place in the code does not matter. It captures no
 * stack: to capture and format one costs ten times as much as all else of a refusal.
 */
export class ExpectedError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message, options)
    Error.stackTraceLimit = stackTraceLimit
  }
}
