import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { GraphQLError } from 'graphql'
import Negotiator from 'negotiator'
import type { Caller } from '../../schema/context.ts'
import { REQUEST_CODES } from '../../schema/request-codes.ts'
import type { GraphiqlPage, Visitor } from '../graphiql/page.ts'
import { GRAPHQL_PATH, type GraphqlServer } from '../graphql/yoga.ts'
import { HttpRequest, recordOf } from '../http-request.ts'
import type { RequestLog } from '../request-log.ts'
import { answer, answerError, secure, securityHeaders } from './answer.ts'
import { BAD_TOKEN, badTokenMessage } from './bearer.ts'
import { type BodyRefusal, readBody, refuseByHeaders } from './body.ts'
import { Answer } from './connection.ts'
import type { Connections } from './connections.ts'
import { answerOnFastPath } from './fast-path.ts'
import { namesOneHost } from './host-header.ts'
import { allowOrigin, answerPreflight } from './origins.ts'
import { PROBES, type ProbeOptions } from './probes.ts'
import { isUtf8Url } from './query-string.ts'

export interface HttpOptions extends ProbeOptions {
  log: RequestLog
  connections: Connections
  graphql: GraphqlServer
  /** null: off. */
  graphiql: GraphiqlPage | null
  /** What a page on this machine finds in its header editor, if anything. */
  visitorOf: (request: IncomingMessage) => Visitor
  /** In development, a further sentence that says where the demo operator's token is, for callers without one. */
  tokenHint: () => string
  /** Called with the caller of a request, before GraphQL runs. */
  admit: (request: HttpRequest, caller: Caller) => void
  allowedOrigins: readonly string[]
  bodyBytesMax: number
  /** How long a connection is kept after an answer, for the next request. */
  keepAliveMs: number
  /** Whether common requests are answered without Yoga's layer of requests and responses. Their answers are the same. */
  fastPath: boolean
  maskError: (error: unknown) => GraphQLError
  isProduction: boolean
}

const OPTIONS = {
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  // Whoever connects and is silent is let go within so much more.
  connectionsCheckingInterval: 500,
  // A header that may come once and comes twice becomes one that is malformed, and is refused as such. Node would take
  // the first; a proxy before it may have gone by the second.
  joinDuplicateHeaders: true,
}

/** Paths, by the name that they are logged with. */
const ROUTES: ReadonlyMap<string, string> = new Map([
  ['/', 'root'],
  ['/livez', 'livez'],
  ['/readyz', 'readyz'],
  ['/health', 'health'],
  ['/metrics', 'metrics'],
])

/** The routes of the server. What is not GraphQL is answered here; so is what must never reach it. */
export function createHttpServer(options: HttpOptions): Server {
  const { connections } = options
  const server = createServer(
    { ...OPTIONS, keepAliveTimeout: options.keepAliveMs, IncomingMessage: HttpRequest, ServerResponse: Answer },
    (request, response) => {
      const isTaken = connections.begin(request, response)
      const record = options.log.beginHttp(request, response)
      if (!isTaken) return answerTooMany(response)
      // Yoga makes a URL of it, and would show its stack.
      if (!namesOneHost(request)) return answer(response, 400, 'The Host header is malformed. Send one, with one host.')
      const path = (request.url ?? '/').split('?', 1)[0] as string
      if (path === GRAPHQL_PATH) return void answerGraphql(request, response, options)
      secure(response, options.isProduction)
      record.route = options.graphiql?.ownsPath(path) ? 'graphiql' : (ROUTES.get(path) ?? 'unknown')
      if (record.route === 'graphiql') return options.graphiql?.respond(request, response)
      const answerProbe = PROBES.get(record.route)
      if (answerProbe) return void answerProbe(request, response, options)
      if (record.route === 'root') return void response.writeHead(302, { location: GRAPHQL_PATH }).end()
      answer(response, 404, `Not found. GraphQL is at ${GRAPHQL_PATH}.`)
    },
  )
  connections.watch(server)
  return server
}

function answerGraphql(request: HttpRequest, response: Answer, options: HttpOptions): unknown {
  const { method = 'GET', headers } = request
  if (method !== 'POST') secure(response, options.isProduction)
  allowOrigin(request, response, options.allowedOrigins)
  if (method === 'OPTIONS') return answerPreflight(request, response)
  if (!isUtf8Url(request.url ?? ''))
    return answer(response, 400, 'The URL is not percent-encoded UTF-8. Encode its parameters again.')
  if ((method === 'GET' || method === 'HEAD') && asksForPage(request)) {
    if (!options.graphiql)
      return answer(response, 406, 'GraphiQL is off here. Send requests with `Accept: application/json`.')
    return options.graphiql.respond(request, response, options.visitorOf(request))
  }
  if (method === 'POST') {
    const refusal = refuseByHeaders(headers, options.bodyBytesMax)
    if (refusal) return answerBodyRefusal(response, refusal)
  }
  let caller: ReturnType<HttpOptions['authenticate']>
  try {
    caller = options.authenticate(request)
  } catch (error) {
    caller = Promise.reject(error)
  }
  if (!(caller instanceof Promise)) return answerCaller(caller, request, response, options)
  return caller.then(
    (caller) => answerCaller(caller, request, response, options),
    (error) => {
      options.onError(error)
      answerError(response, 'UNAVAILABLE', REQUEST_CODES.UNAVAILABLE.message)
    },
  )
}

/** By the header Accept: browsers name HTML. A wildcard alone is no browser's, and gets JSON. */
function asksForPage(request: HttpRequest): boolean {
  // Most others do not name it at all, and a long header takes a millisecond to read.
  if (!/\btext\/html\b/i.test(request.headers.accept ?? '')) return false
  return new Negotiator(request).mediaTypes().some((type) => type.toLowerCase() === 'text/html')
}

function answerCaller(
  caller: Caller | typeof BAD_TOKEN,
  request: HttpRequest,
  response: Answer,
  options: HttpOptions,
): unknown {
  if (caller === BAD_TOKEN) {
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"')
    const message = badTokenMessage(request.headers.authorization) + options.tokenHint()
    return answerError(response, 'UNAUTHENTICATED', message)
  }
  const record = recordOf(request)
  if (record) record.viewer = caller.viewer.key
  options.admit(request, caller)
  const turn = options.connections.takeTurn(caller, request.socket)
  return turn
    ? turn.then((begins) => begins && answerInTurn(request, response, options))
    : answerInTurn(request, response, options)
}

function answerInTurn(request: HttpRequest, response: Answer, options: HttpOptions): unknown {
  if (request.method !== 'POST') return options.graphql(request, response)
  const onReceived = (bytes: number) => response.owner?.received(bytes)
  return readBody(request, options.bodyBytesMax, onReceived, (body) => {
    if (body === undefined) return response.destroy()
    if (typeof body === 'object') return answerBodyRefusal(response, body)
    const { graphql, fastPath, maskError } = options
    const isCommon =
      fastPath &&
      answerOnFastPath(request, response, body, { graphql, maskError, headers: securityHeaders(options.isProduction) })
    if (isCommon) return
    secure(response, options.isProduction)
    // Yoga knows the type in lower case alone.
    request.headers['content-type'] = request.headers['content-type']?.toLowerCase()
    // As a stream: of a string whatwg-node asks for the keys, one for each character, which takes 300 ms for a mebibyte.
    return graphql(Object.assign(request, { body: Readable.from([Buffer.from(body)]) }), response)
  })
}

function answerBodyRefusal(response: ServerResponse, { status, message, isLast }: BodyRefusal): void {
  answer(response, status, message, isLast)
}

function answerTooMany(response: ServerResponse): void {
  if (response.req.socket.destroyed) return
  answerError(response, 'TOO_MANY_REQUESTS', REQUEST_CODES.TOO_MANY_REQUESTS.message, true)
}
