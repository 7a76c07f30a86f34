import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Ledger } from '../ledger/ledger.ts'
import type { Caller } from '../schema/context.ts'
import { BAD_TOKEN } from './bearer.ts'
import type { GraphiqlPage, Visitor } from './graphiql.ts'
import { GRAPHQL_PATH, type GraphqlServer } from './graphql.ts'
import { isHealthy } from './health.ts'
import { allowOrigin, answerPreflight } from './origins.ts'

export interface HttpOptions {
  ledger: Ledger
  graphql: GraphqlServer
  /** null: off. */
  graphiql: GraphiqlPage | null
  /** What a page on this machine finds in its header editor, if anything. */
  visitorOf: (request: IncomingMessage) => Visitor
  /** Who sends a request, from what its header Authorization shows. */
  authenticate: (request: IncomingMessage) => Caller | typeof BAD_TOKEN | Promise<Caller | typeof BAD_TOKEN>
  /** Told of who sends a request, before GraphQL is. */
  admit: (request: IncomingMessage, caller: Caller) => void
  allowedOrigins: readonly string[]
  bodyBytesMax: number
  isProduction: boolean
}

const OPTIONS = {
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  // Whoever connects and is silent is let go within so much more.
  connectionsCheckingInterval: 500,
  // Known to Node from 24.9 on: an upgrade to anything else (HTTP/2, as some clients offer) is passed over, as RFC 9110
  // lets a server do. An older Node hands every upgrade to us, and gets a refusal.
  shouldUpgradeCallback: ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket',
}

/** The routes of the server. What is not GraphQL is answered here; so is what must never reach it. */
export function createHttpServer(options: HttpOptions): Server {
  return createServer(OPTIONS, (request, response) => {
    for (const [name, value] of SECURITY_HEADERS) response.setHeader(name, value)
    if (options.isProduction) response.setHeader('strict-transport-security', 'max-age=31536000')
    const path = (request.url ?? '/').split('?', 1)[0] as string
    if (path === GRAPHQL_PATH) return void answerGraphql(request, response, options)
    if (options.graphiql?.ownsPath(path)) return options.graphiql.respond(request, response)
    if (path === '/health') return void answerHealth(response, options.ledger)
    if (path === '/') return void response.writeHead(302, { location: GRAPHQL_PATH }).end()
    answer(response, 404, `There is nothing here. GraphQL is at ${GRAPHQL_PATH}.`)
  })
}

/** For answers that are data and no pages: nothing of them is to be shown, framed, referred to or kept. GraphiQL has its own. */
const SECURITY_HEADERS = [
  ['x-content-type-options', 'nosniff'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['cross-origin-resource-policy', 'same-origin'],
  ['referrer-policy', 'no-referrer'],
  ['cache-control', 'no-store'],
] as const

function answerGraphql(request: IncomingMessage, response: ServerResponse, options: HttpOptions): unknown {
  const { method = 'GET', headers } = request
  allowOrigin(request, response, options.allowedOrigins)
  if (method === 'OPTIONS') return answerPreflight(response)
  // Yoga makes a URL of it, and would show its stack.
  if (!URL.canParse(`http://${headers.host || 'localhost'}`))
    return answer(response, 400, 'The Host header is malformed.')
  if ((method === 'GET' || method === 'HEAD') && /\btext\/html\b/.test(headers.accept ?? '')) {
    if (!options.graphiql) return answer(response, 406, 'There is no page here.')
    return options.graphiql.respond(request, response, options.visitorOf(request))
  }
  if (method === 'POST') {
    // A form or a text can be sent from any web page without asking; JSON cannot.
    if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) {
      return answer(response, 415, 'POST takes application/json.')
    }
    if (headers['content-encoding'] !== undefined) return answer(response, 415, 'The body must not be compressed.')
    if (Number(headers['content-length'] ?? 0) > options.bodyBytesMax) {
      return answer(response, 413, `The body is larger than ${options.bodyBytesMax} bytes.`, undefined, true)
    }
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
    () => {
      response.setHeader('retry-after', '1')
      answer(response, 503, 'The ledger could not answer now. Send it again a little later.', {
        code: 'UNAVAILABLE',
        retryable: true,
      })
    },
  )
}

function answerCaller(
  caller: Caller | typeof BAD_TOKEN,
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpOptions,
): unknown {
  if (caller === BAD_TOKEN) {
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"')
    const message = 'The token is none, or its session is over. Sign in again, without it.'
    return answer(response, 401, message, { code: 'UNAUTHENTICATED' })
  }
  options.admit(request, caller)
  if (request.method === 'POST' && request.headers['content-length'] === undefined) {
    return answerUnmeasured(request, response, options)
  }
  return options.graphql(request, response)
}

/** A body that does not tell its length is read here, up to the limit, before anything else is done with it. */
async function answerUnmeasured(request: IncomingMessage, response: ServerResponse, options: HttpOptions) {
  const { graphql, bodyBytesMax } = options
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length
      if (bytes > bodyBytesMax) {
        return answer(response, 413, `The body is larger than ${bodyBytesMax} bytes.`, undefined, true)
      }
      chunks.push(chunk)
    }
  } catch {
    return response.destroy()
  }
  return graphql(Object.assign(request, { body: Buffer.concat(chunks).toString() }), response)
}

async function answerHealth(response: ServerResponse, ledger: Ledger): Promise<void> {
  const healthy = await isHealthy(ledger)
  const body = JSON.stringify({ status: healthy ? 'ok' : 'unavailable' })
  response.writeHead(healthy ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body)
}

/** A refusal in the form GraphQL clients read. */
function answer(
  response: ServerResponse,
  status: number,
  message: string,
  extensions?: Record<string, unknown>,
  isLast = false,
): void {
  if (isLast) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify({ errors: [{ message, ...(extensions && { extensions }) }] }))
}
