import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ExecutionArgs, GraphQLError } from 'graphql'
import type { ServerOptions } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { GRAPHQL_PATH, type GraphqlServer } from './graphql.ts'
import { unreadableRequest } from './request-errors.ts'

/** The largest message a client may send. */
const MESSAGE_BYTES_MAX = 64 * 1024

/** RFC 6455's registry: the server goes away and comes back. Clients try again after it. */
const SERVICE_RESTART = 1012

/** How long a socket may take to close by itself. */
const CLOSE_TIMEOUT_MS = 1_000

/** How often a client is pinged. One that has not answered by the next time is let go. */
const PING_INTERVAL_MS = 12_000

export interface WebSocketOptions {
  /** Operations that may run on one socket at once. */
  subscriptionsMax: number
  pingIntervalMs?: number
}

export interface WebSocketTransport {
  /** Closes every socket with 1012 and without `Complete`, so that clients come back by themselves. */
  close(): Promise<void>
}

/** GraphQL over WebSocket (the graphql-transport-ws protocol) on an HTTP server's upgrades. */
export function openWebSocket(
  server: Server,
  graphql: GraphqlServer,
  { subscriptionsMax, pingIntervalMs = PING_INTERVAL_MS }: WebSocketOptions,
): WebSocketTransport {
  /** Operations of a socket that the server is working on, or whose subscription it is making. */
  const atWork = new WeakMap<WebSocket, number>()
  const whileAtWork = async <Result>(socket: WebSocket, work: () => Result): Promise<Awaited<Result>> => {
    atWork.set(socket, (atWork.get(socket) ?? 0) + 1)
    try {
      return await work()
    } finally {
      atWork.set(socket, (atWork.get(socket) ?? 1) - 1)
    }
  }
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX })
  const disposable = useServer(
    {
      // A close reason says nothing of the inside, whatever NODE_ENV is.
      isProd: true,
      execute: (args: ExecutionArgs) => (args.rootValue as Enveloped).execute(args),
      subscribe: (args: ExecutionArgs) => (args.rootValue as Enveloped).subscribe(args),
      onSubscribe: async ({ extra, subscriptions }, _id, params) => {
        // The one that asks is among them already. What is completed by the client may still be worked on.
        const running = Object.keys(subscriptions).length - 1
        if (Math.max(running, atWork.get(extra.socket) ?? 0) >= subscriptionsMax)
          return [tooManySubscriptions(subscriptionsMax)]
        const { schema, execute, subscribe, contextFactory, parse, validate } = graphql.getEnveloped({
          req: extra.request,
          socket: extra.socket,
          params,
        })
        // A syntax error hurts this operation alone: thrown on, it would close the whole socket with 4500.
        let document: ReturnType<typeof parse>
        try {
          document = parse(params.query)
          const errors = validate(schema, document)
          if (errors.length > 0) return errors
        } catch (error) {
          return [
            unreadableRequest(error) ?? (error instanceof GraphQLError ? error : new GraphQLError('Unexpected error.')),
          ]
        }
        return {
          schema,
          document,
          operationName: params.operationName,
          variableValues: params.variables,
          contextValue: await contextFactory(),
          rootValue: {
            execute: (args) => whileAtWork(extra.socket, () => execute(args)),
            subscribe: (args) => whileAtWork(extra.socket, () => subscribe(args)),
          } satisfies Enveloped,
        }
      },
      onError: (_context, _id, _payload, errors) => errors.map(withoutHttp),
    },
    sockets,
    pingIntervalMs,
  )

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Not new URL(), which throws on what HTTP lets through, such as `//`.
    const path = request.url?.split('?', 1)[0]
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') return refuse(socket, '400 Bad Request')
    if (path !== GRAPHQL_PATH) return refuse(socket, '404 Not Found')
    if (!isSameOrigin(request)) return refuse(socket, '403 Forbidden')
    sockets.handleUpgrade(request, socket, head, (webSocket) => sockets.emit('connection', webSocket, request))
  }
  server.on('upgrade', upgrade)

  return {
    async close() {
      server.off('upgrade', upgrade)
      const closed = [...sockets.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      for (const socket of sockets.clients) socket.close(SERVICE_RESTART, 'Service Restart')
      const timer = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate()
      }, CLOSE_TIMEOUT_MS)
      await Promise.all(closed)
      clearTimeout(timer)
      await disposable.dispose()
    },
  }
}

/** Yoga's own execute and subscribe for one operation: limits and masking included. */
interface Enveloped {
  execute: (args: ExecutionArgs) => ReturnType<NonNullable<ServerOptions['execute']>>
  subscribe: (args: ExecutionArgs) => ReturnType<NonNullable<ServerOptions['subscribe']>>
}

/** Browsers send the page's origin with a socket and ask nobody: only our own pages may open one. Programs send none. */
function isSameOrigin({ headers }: IncomingMessage): boolean {
  if (headers.origin === undefined) return true
  return URL.canParse(headers.origin) && new URL(headers.origin).host === headers.host
}

function tooManySubscriptions(max: number): GraphQLError {
  return new GraphQLError(`A socket may have ${max} operations running at once. Open another one.`, {
    extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' },
  })
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => {})
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** Yoga marks errors for HTTP status codes; no socket has any. */
function withoutHttp(error: GraphQLError | { message: string }): never {
  if (!(error instanceof GraphQLError)) return error as never
  const { http: _http, ...extensions } = error.extensions as Record<string, unknown>
  return { ...error.toJSON(), extensions } as never
}
