import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Ledger } from '../ledger/ledger.ts'
import type { GraphiqlPage } from './graphiql.ts'
import { GRAPHQL_PATH, type GraphqlServer } from './graphql.ts'
import { isHealthy } from './health.ts'

export interface HttpOptions {
  ledger: Ledger
  graphql: GraphqlServer
  graphiql: GraphiqlPage
  bodyBytesMax: number
}

const OPTIONS = {
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  // Known to Node from 24.9 on: an upgrade to anything else (HTTP/2, as some clients offer) is passed over, as RFC 9110
  // lets a server do. An older Node hands every upgrade to us, and gets a refusal.
  shouldUpgradeCallback: ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket',
}

/** The routes of the server. What is not GraphQL is answered here; so is what must never reach it. */
export function createHttpServer(options: HttpOptions): Server {
  return createServer(OPTIONS, (request, response) => {
    response.setHeader('x-content-type-options', 'nosniff')
    const path = (request.url ?? '/').split('?', 1)[0] as string
    if (path === GRAPHQL_PATH) return void answerGraphql(request, response, options)
    if (options.graphiql.ownsPath(path)) return options.graphiql.respond(request, response)
    if (path === '/health') return void answerHealth(response, options.ledger)
    if (path === '/') return void response.writeHead(302, { location: GRAPHQL_PATH }).end()
    answer(response, 404, `There is nothing here. GraphQL is at ${GRAPHQL_PATH}.`)
  })
}

function answerGraphql(request: IncomingMessage, response: ServerResponse, options: HttpOptions): unknown {
  const { method = 'GET', headers } = request
  // Yoga makes a URL of it, and would show its stack.
  if (!URL.canParse(`http://${headers.host || 'localhost'}`))
    return answer(response, 400, 'The Host header is malformed.')
  if ((method === 'GET' || method === 'HEAD') && /\btext\/html\b/.test(headers.accept ?? '')) {
    return options.graphiql.respond(request, response)
  }
  if (method === 'POST') {
    // A form or a text can be sent from any web page without asking; JSON cannot.
    if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) {
      return answer(response, 415, 'POST takes application/json.')
    }
    if (Number(headers['content-length'] ?? 0) > options.bodyBytesMax) {
      return answer(response, 413, `The body is larger than ${options.bodyBytesMax} bytes.`, { connection: 'close' })
    }
  }
  if (method === 'POST' && headers['content-length'] === undefined) {
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
        return answer(response, 413, `The body is larger than ${bodyBytesMax} bytes.`, { connection: 'close' })
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
function answer(response: ServerResponse, status: number, message: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
  response.end(JSON.stringify({ errors: [{ message }] }))
}
