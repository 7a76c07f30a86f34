import type { IncomingMessage } from 'node:http'
import type { Logger } from 'pino'
import type { BoundedLog } from './bounded-log.ts'
import type { Answer } from './http/connection.ts'
import { keepRecord } from './http-request.ts'
import { REQUEST_ID_HEADER, requestIdOf } from './request-id.ts'
import { RequestRecord, type Result } from './request-record.ts'

/** Asked for every few seconds, by machines: a line for each would hide the others. */
const ROUTINE_ROUTES: ReadonlySet<string> = new Set(['livez', 'readyz', 'health', 'metrics', 'graphiql'])

export interface RequestLogOptions {
  logger: Logger
  errors: BoundedLog
  /** Called when a request to GraphQL, or an operation on a socket, has ended. */
  onEnd?: (record: RequestRecord, result: Result, durationMs: number) => void
}

/** One line for each request or operation, when it has ended; for a subscription, another one when it begins. */
export class RequestLog {
  readonly #logger: Logger
  readonly #errors: BoundedLog
  readonly #onEnd: RequestLogOptions['onEnd']
  /** Subscriptions that run, by transport. */
  readonly subscriptions = { 'event-stream': 0, websocket: 0, http: 0 }

  constructor({ logger, errors, onEnd }: RequestLogOptions) {
    this.#logger = logger
    this.#errors = errors
    this.#onEnd = onEnd
  }

  /** Begins the record of a request over HTTP. It ends with its answer. */
  beginHttp(request: IncomingMessage, response: Answer): RequestRecord {
    const record = new RequestRecord(requestIdOf(request.headers[REQUEST_ID_HEADER]), 'http')
    keepRecord(request, record)
    response.onClose = () => this.#endHttp(record, response)
    return record
  }

  /** A subscription runs from now on. */
  began(record: RequestRecord): void {
    this.subscriptions[record.transport]++
    this.#write('info', record, {}, 'subscription began')
  }

  /** Writes of what failed in an operation since this was last called: one line, however many fields there are. */
  writeFaults(record: RequestRecord): void {
    const faults = record.takeFaults()
    if (!faults) return
    const { count, first } = faults
    const fields = { requestId: record.id, type: record.type, operation: record.operation, count, err: first.error }
    if (first.isPassing) this.#errors.writeError('warn', fields, 'the database cannot be reached')
    else this.#errors.writeError('error', fields, 'an operation failed')
  }

  /** An operation on a socket, or a handshake that was refused, has ended. */
  end(record: RequestRecord, status?: number): void {
    this.#finish(record, record.resultOf(status), status)
  }

  /** Something about a socket. */
  writeSocket(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#logger.info(fields, message)
  }

  #endHttp(record: RequestRecord, response: Answer): void {
    const { statusCode } = response
    // An event stream has no end but that.
    const isAborted = !response.writableFinished && record.transport === 'http'
    const status = response.headersSent ? statusCode : undefined
    this.#finish(record, isAborted ? 'aborted' : record.resultOf(status), status)
  }

  #finish(record: RequestRecord, result: Result, status: number | undefined): void {
    const durationMs = performance.now() - record.startedAt
    if (record.route === 'graphql') this.#onEnd?.(record, result, durationMs)
    this.writeFaults(record)
    const isRoutine = ROUTINE_ROUTES.has(record.route) && (status ?? 200) < 400
    if (record.hasBegun) this.subscriptions[record.transport]--
    this.#write(
      isRoutine ? 'debug' : 'info',
      record,
      { status, result, durationMs: Math.round(durationMs * 100) / 100 },
      record.hasBegun ? 'subscription ended' : 'request',
    )
  }

  #write(
    level: 'info' | 'debug',
    record: RequestRecord,
    { status, result, durationMs }: { status?: number | undefined; result?: Result; durationMs?: number },
    message: string,
  ): void {
    if (!this.#logger.isLevelEnabled(level)) return
    const { codes } = record
    // One literal, whose absent values pino passes over: this is the hot path of the log.
    const fields = {
      requestId: record.id,
      transport: record.transport,
      route: record.route === 'graphql' ? undefined : record.route,
      type: record.type,
      operation: record.operation,
      viewer: record.viewer,
      status,
      result,
      codes: codes.length > 0 ? codes : undefined,
      durationMs,
      cost: record.cost,
      variables: this.#logger.isLevelEnabled('debug') ? record.variables : undefined,
    }
    this.#logger[level](fields, message)
  }
}
