import { type ExecutionResult, getOperationAST } from 'graphql'
import { recordFor } from '../http-request.ts'
import type { RequestLog } from '../request-log.ts'
import { NAME_LENGTH_MAX, type RequestRecord } from '../request-record.ts'
import type { OperationArgs, Plugin } from './plugin.ts'

function note({ document, operationName, contextValue: context }: OperationArgs): void {
  const record = recordFor(context)
  const operation = record && getOperationAST(document, operationName)
  if (!operation) return
  record.type = operation.operation
  record.operation = operation.name?.value.slice(0, NAME_LENGTH_MAX)
  record.refusals = context.refusals
  if (operation.variableDefinitions?.length) record.variableDefinitions = operation.variableDefinitions
}

/** Writes down what an operation is, and over HTTP what came of it. (On sockets no hook of Yoga's sees the answer.) */
export function notesOperations(log: RequestLog): Plugin {
  return {
    onExecute: ({ args }) => note(args),
    onSubscribe: ({ args }) => note(args),
    onResultProcess({ result, setResult, resultProcessor, serverContext }) {
      const record = recordFor(serverContext)
      if (!record) return
      if (!(Symbol.asyncIterator in result)) {
        if (!Array.isArray(result)) record.take(result)
        return
      }
      if (!resultProcessor) return
      record.transport = 'event-stream'
      setResult(followEvents(result as AsyncIterable<ExecutionResult>, record, log))
    },
  }
}

/** The same events, with note taken of the errors in them. */
export function followEvents(
  events: AsyncIterable<ExecutionResult>,
  record: RequestRecord,
  log: RequestLog,
  onEnd = () => {},
): AsyncIterableIterator<ExecutionResult, undefined> {
  record.hasBegun = true
  log.began(record)
  return new FollowedEvents(events[Symbol.asyncIterator](), record, log, onEnd)
}

type Step = IteratorResult<ExecutionResult, undefined>

class FollowedEvents implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #events: AsyncIterator<ExecutionResult>
  readonly #record: RequestRecord
  readonly #log: RequestLog
  readonly #onEnd: () => void
  #hasEnded = false

  constructor(events: AsyncIterator<ExecutionResult>, record: RequestRecord, log: RequestLog, onEnd: () => void) {
    this.#events = events
    this.#record = record
    this.#log = log
    this.#onEnd = onEnd
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    return this.#events.next().then(
      (step) => {
        if (step.done) this.#end()
        else if (step.value.errors) {
          this.#record.take(step.value)
          this.#log.writeFaults(this.#record)
        }
        return step
      },
      (error) => {
        this.#end()
        throw error
      },
    )
  }

  async return(): Promise<Step> {
    this.#end()
    await this.#events.return?.()
    return { done: true, value: undefined }
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#onEnd()
  }
}
