import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ExecutionArgs, FormattedExecutionResult } from 'graphql'
import { CloseCode, type ServerOptions } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Auth } from '../../auth/auth.ts'
import type { Viewer } from '../../auth/model/viewer.ts'
import type { Caller } from '../../schema/context.ts'
import { maskError } from '../graphql/masked-errors.ts'
import { withoutEmptyName } from '../graphql/operation-name.ts'
import { type PersistedOperations, requestedDocument } from '../graphql/persisted-operations.ts'
import { ViewerCount } from '../graphql/viewer-count.ts'
import { GRAPHQL_PATH, type GraphqlServer } from '../graphql/yoga.ts'
import { BAD_TOKEN } from '../http/bearer.ts'
import type { Connections } from '../http/connections.ts'
import { namesOneHost } from '../http/host-header.ts'
import { isAllowedOrigin } from '../http/origins.ts'
import { recordOf } from '../http-request.ts'
import { REQUEST_ID_HEADER } from '../request-id.ts'
import type { RequestLog } from '../request-log.ts'
import { SERVICE_RESTART, TRY_AGAIN_LATER } from './close-codes.ts'
import type { Operation } from './operations.ts'
import { adaptSockets, SOCKET_SERVER_OPTIONS, type SocketContext } from './socket-adapter.ts'
import { socketAuthorization } from './socket-authorization.ts'
import { databaseAway, sessionOver, tooManySubscriptions, withoutHttp } from './socket-errors.ts'
import { SocketLog } from './socket-log.ts'
import { asksForWebSocket } from './upgrade-offers.ts'

/** How long a socket stays open after its session has ended, at most, so that its subscriptions get their final error. */
const FINAL_ERROR_MAX_MS = 200

/** How often a client is pinged. One that has not answered by the next time is let go. */
const PING_INTERVAL_MS = 12_000

export interface WebSocketOptions {
  authenticator: Auth['authenticator']
  /** Who opens a socket, from the credentials of `connection_init` or of the handshake. */
  authenticate: (request: IncomingMessage, authorization: unknown) => MaybePromise<Caller | typeof BAD_TOKEN>
  allowedOrigins: readonly string[]
  /** Called when the caller of a socket could not be authenticated. */
  onError: (error: unknown) => void
  log: RequestLog
  connections: Connections
  /** Called with what goes wrong on a socket, and the socket's id in the log. */
  onSocketError: (error: unknown, id: string | undefined) => void
  /** undefined: any document runs. */
  persistedOperations: PersistedOperations | undefined
  /** Operations that may run on one socket at once. */
  subscriptionsMax: number
  /** Sockets that one viewer may have; of nobody, those from one address. */
  socketsPerViewerMax: number
  pingIntervalMs?: number
}

export interface WebSocketTransport {
  /** Of open sockets, and of closed ones by code. */
  counts: Pick<SocketLog, 'openCount' | 'closedCounts'>
  /** Closes every socket with 1012 and without `Complete`, so that clients come back by themselves. */
  close(): Promise<void>
}

type MaybePromise<Value> = Value | Promise<Value>

/** GraphQL over WebSocket (the graphql-transport-ws protocol) on an HTTP server's upgrades. */
export function openWebSocket(server: Server, graphql: GraphqlServer, options: WebSocketOptions): WebSocketTransport {
  const { subscriptionsMax, socketsPerViewerMax, authenticator, persistedOperations } = options
  const socketLog = new SocketLog(options.log)
  const callers = new WeakMap<WebSocket, Caller>()
  const socketCount = new ViewerCount(socketsPerViewerMax)
  /** Closes a socket whose session has ended, once every operation on it has got its error. */
  const onAnswered = new WeakMap<WebSocket, () => void>()
  /** Lets a caller have a socket, for as long as their session lasts. */
  const admit = (context: SocketContext, caller: Caller): boolean => {
    const { socket } = context.extra
    const { viewer, token } = caller
    if (socket.readyState !== socket.OPEN) return false
    const release = socketCount.take(caller)
    if (!release) {
      socket.close(TRY_AGAIN_LATER, 'Too many sockets')
      return false
    }
    callers.set(socket, caller)
    context.extra.connection.caller = caller
    socketLog.connected(socket, caller)
    let finalErrorTimer: NodeJS.Timeout | undefined
    const close = () => socket.close(CloseCode.Forbidden, 'Forbidden')
    const onEnd = () => {
      finalErrorTimer ??= setTimeout(close, FINAL_ERROR_MAX_MS)
      onAnswered.set(socket, () => Object.keys(context.subscriptions).length === 0 && close())
      setImmediate(() => onAnswered.get(socket)?.())
    }
    const stopWatching = token === null ? undefined : authenticator.watch(token, viewer, onEnd)
    socket.once('close', () => {
      clearTimeout(finalErrorTimer)
      stopWatching?.()
      release()
    })
    return true
  }
  /** Finds out who asks, and reads the operation. */
  const prepare = socketLog.noting(async ({ extra, subscriptions }, record, payload, id) => {
    const { operations } = extra
    const operation = operations.get(id) as Operation
    const params = withoutEmptyName(payload)
    // The one that asks is among them already. What is completed by the client may still be worked on.
    const running = Object.keys(subscriptions).length - 1
    if (Math.max(running, operations.atWork - 1) >= subscriptionsMax) return [tooManySubscriptions(subscriptionsMax)]
    const caller = callers.get(extra.socket) as Caller
    const turn = options.connections.takeTurn(caller, extra.request.socket)
    // Nobody is there any more to read it.
    if (turn && !(await turn)) return [sessionOver()]
    // Also what keeps the session from being idle.
    let viewer: Viewer | undefined = caller.viewer
    try {
      if (caller.token !== null) viewer = await authenticator.check(caller.token)
    } catch {
      return [databaseAway()]
    }
    if (viewer?.key !== caller.viewer.key) return [sessionOver()]
    // They may have been given an account since the socket was opened.
    const asker = { ...caller, viewer }
    const { schema, execute, subscribe, contextFactory, parse, validate } = graphql.getEnveloped({
      caller: asker,
      record,
      socket: extra.socket,
      params,
    })
    // A syntax error hurts this operation alone: thrown on, it would close the whole socket with 4500.
    let document: ReturnType<typeof parse>
    try {
      document = parse(requestedDocument(params, persistedOperations))
      const errors = validate(schema, document)
      if (errors.length > 0) return errors
    } catch (error) {
      return [maskError(error)]
    }
    return {
      schema,
      document,
      operationName: params.operationName,
      variableValues: params.variables,
      contextValue: await contextFactory(),
      rootValue: {
        execute: (args) =>
          operation.resultOf(() =>
            socketLog.answer(
              record,
              operations.whileAtWork(() => execute(args)),
            ),
          ),
        subscribe: (args) =>
          operation.resultOf(() =>
            socketLog.answer(
              record,
              operations.whileAtWork(() => subscribe(args)),
            ),
          ),
      } satisfies Enveloped,
    }
  })
  const sockets = new WebSocketServer(SOCKET_SERVER_OPTIONS)
  adaptSockets(
    {
      pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
      connections: options.connections,
      onSocketError: (error, socket) => options.onSocketError(error, socketLog.idOf(socket)),
      execute: (args: ExecutionArgs) => (args.rootValue as Enveloped).execute(args),
      subscribe: (args: ExecutionArgs) => (args.rootValue as Enveloped).subscribe(args),
      onConnect: async (context) => {
        const authorization = socketAuthorization(context.connectionParams, context.extra.request)
        let caller: Caller | typeof BAD_TOKEN
        try {
          caller = await options.authenticate(context.extra.request, authorization)
        } catch (error) {
          options.onError(error)
          // The database is away. Thrown on, it would be 4500, after which clients give up.
          context.extra.socket.close(TRY_AGAIN_LATER, 'Try again later')
          return false
        }
        return caller !== BAD_TOKEN && admit(context, caller)
      },
      onSubscribe: async (context, id, payload) => {
        const { operations } = context.extra
        const operation = operations.get(id) as Operation
        const prepared = await operations.whileAtWork(() => prepare(context, id, payload))
        // Errors are answered at once; anything else is when it has been carried out.
        if (!Array.isArray(prepared)) return prepared
        return operation.unlessAbandoned(async () => prepared)
      },
      onNext: (_context, _id, _payload, _args, result) =>
        // graphql-ws lets `data` be undefined in a result that it gives, and not in one that it takes.
        result.errors && ({ ...result, errors: result.errors.map(withoutHttp) } as FormattedExecutionResult),
      onError: (_context, _id, _payload, errors) => errors.map(withoutHttp),
      onComplete: ({ extra }) => void setImmediate(() => onAnswered.get(extra.socket)?.()),
    },
    sockets,
  )

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Not new URL(), which throws on what HTTP lets through, such as `//`.
    const path = request.url?.split('?', 1)[0]
    if (!asksForWebSocket(request)) return
    const id = socketLog.asked(request)
    const refuse = (status: number, reason: string) => {
      socketLog.refused(request, status)
      socket.on('error', () => {})
      socket.end(
        `HTTP/1.1 ${status} ${reason}\r\n${REQUEST_ID_HEADER}: ${id}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      )
    }
    if (!namesOneHost(request)) return refuse(400, 'Bad Request')
    if (path !== GRAPHQL_PATH) return refuse(404, 'Not Found')
    if (!isAllowedOrigin(request, options.allowedOrigins)) return refuse(403, 'Forbidden')
    // Its socket is still the one that answers are sent on.
    if (options.connections.of(request.socket).answers.size > 0) return refuse(400, 'Bad Request')
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      socketLog.opened(webSocket, request)
      sockets.emit('connection', webSocket, request)
    })
  }
  server.on('upgrade', upgrade)
  sockets.on('headers', (headers, request) => headers.push(`${REQUEST_ID_HEADER}: ${recordOf(request)?.id}`))

  return {
    counts: socketLog,
    async close() {
      server.off('upgrade', upgrade)
      const closed = [...sockets.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      for (const socket of sockets.clients) socket.close(SERVICE_RESTART, 'Service Restart')
      await Promise.all(closed)
      sockets.removeAllListeners()
      await new Promise((resolve) => sockets.close(resolve))
    },
  }
}

/** Yoga's own execute and subscribe for one operation: limits and masking included. */
interface Enveloped {
  execute: (args: ExecutionArgs) => ReturnType<NonNullable<ServerOptions['execute']>>
  subscribe: (args: ExecutionArgs) => ReturnType<NonNullable<ServerOptions['subscribe']>>
}
