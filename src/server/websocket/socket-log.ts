import type { IncomingMessage } from 'node:http'
import { type ExecutionArgs, type ExecutionResult, type GraphQLError, getOperationAST } from 'graphql'
import type { SubscribePayload } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Caller } from '../../schema/context.ts'
import { requestError } from '../../schema/request-error.ts'
import { maskError } from '../graphql/masked-errors.ts'
import { followEvents } from '../graphql/operation-notes.ts'
import { keepRecord, recordOf } from '../http-request.ts'
import { REQUEST_ID_HEADER, requestIdOf } from '../request-id.ts'
import type { RequestLog } from '../request-log.ts'
import { RequestRecord } from '../request-record.ts'
import { COUNTED_CLOSE_CODES } from './close-codes.ts'
import type { SocketContext } from './socket-adapter.ts'

/** A socket, until it is closed. */
interface Socket {
  id: string
  /** In the milliseconds of `performance.now()`. */
  openedAt: number
  viewer: string | undefined
  operationCount: number
}

type Prepared = ExecutionArgs | readonly GraphQLError[]
type Prepare = (
  context: SocketContext,
  record: RequestRecord,
  payload: SubscribePayload,
  id: string,
) => Promise<Prepared>

const isErrors = (prepared: Prepared): prepared is readonly GraphQLError[] => Array.isArray(prepared)

type Answer = ExecutionResult | AsyncIterable<ExecutionResult>

/**
 * What the log says of WebSockets: whose a socket is when it has connected, every operation on it, and the code that it
 * was closed with. A socket has the id of the request that opened it; its operations have that and a count.
 */
export class SocketLog {
  readonly #log: RequestLog
  readonly #sockets = new WeakMap<WebSocket, Socket>()
  openCount = 0
  /** Closed sockets by code, since this process began. */
  readonly closedCounts = new Map<string, number>()

  constructor(log: RequestLog) {
    this.#log = log
  }

  /** A client asks for a socket. @returns the id of its request. */
  asked(request: IncomingMessage): string {
    const record = new RequestRecord(requestIdOf(request.headers[REQUEST_ID_HEADER]), 'websocket')
    record.route = 'socket'
    keepRecord(request, record)
    return record.id
  }

  /** It is refused one. */
  refused(request: IncomingMessage, status: number): void {
    const record = recordOf(request)
    if (record) this.#log.end(record, status)
  }

  /** It has one. */
  opened(socket: WebSocket, request: IncomingMessage): void {
    const id = recordOf(request)?.id ?? requestIdOf(undefined)
    const state: Socket = { id, openedAt: performance.now(), viewer: undefined, operationCount: 0 }
    this.#sockets.set(socket, state)
    this.openCount++
    socket.once('close', (code) => {
      this.openCount--
      const name = COUNTED_CLOSE_CODES.has(code) ? String(code) : 'other'
      this.closedCounts.set(name, (this.closedCounts.get(name) ?? 0) + 1)
      const durationMs = Math.round(performance.now() - state.openedAt)
      this.#log.writeSocket({ requestId: id, viewer: state.viewer, code, durationMs }, 'socket closed')
    })
  }

  /** It is known whose it is. */
  connected(socket: WebSocket, { viewer }: Caller): void {
    const state = this.#sockets.get(socket)
    if (!state) return
    state.viewer = viewer.key
    this.#log.writeSocket({ requestId: state.id, viewer: viewer.key }, 'socket connected')
  }

  /** What the log knows a socket by. */
  idOf(socket: WebSocket): string | undefined {
    return this.#sockets.get(socket)?.id
  }

  /**
   * Keeps a record of every operation that a client asks for.
   *
   * @param prepare says how it is carried out, or why it is not.
   */
  noting(prepare: Prepare): (context: SocketContext, id: string, payload: SubscribePayload) => Promise<Prepared> {
    return async (context, id, payload) => {
      const record = this.#begin(context.extra.socket)
      const prepared = await prepare(context, record, payload, id).catch((error) => [maskError(error)])
      if (isErrors(prepared)) return this.#refuse(record, prepared)
      if (getOperationAST(prepared.document, prepared.operationName)) return prepared
      return this.#refuse(record, [requestError('OPERATION_RESOLUTION_FAILURE')])
    }
  }

  #begin(socket: WebSocket): RequestRecord {
    const state = this.#sockets.get(socket)
    const id = state ? `${state.id}.${++state.operationCount}` : requestIdOf(undefined)
    const record = new RequestRecord(id, 'websocket')
    record.viewer = state?.viewer
    return record
  }

  #refuse(record: RequestRecord, errors: readonly GraphQLError[]): readonly GraphQLError[] {
    record.take({ errors })
    this.#log.end(record)
    return errors
  }

  /** What came of an operation, with note taken of all errors in it. Never rejects: that would close the socket. */
  async answer(record: RequestRecord, answering: PromiseLike<Answer>): Promise<Answer> {
    try {
      const answer = await answering
      if (Symbol.asyncIterator in answer) return followEvents(answer, record, this.#log, () => this.#log.end(record))
      record.take(answer)
      this.#log.end(record)
      return answer
    } catch (error) {
      return { errors: this.#refuse(record, [maskError(error)]) }
    }
  }
}
