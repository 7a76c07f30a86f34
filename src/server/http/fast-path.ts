import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ExecutionResult, GraphQLError } from 'graphql'
import { type GraphQLParams, processRegularResult } from 'graphql-yoga'
import type { GraphqlServer } from '../graphql/yoga.ts'
import { recordOf } from '../http-request.ts'
import { REQUEST_ID_HEADER } from '../request-id.ts'
import { atEndOfTurn } from './end-of-turn.ts'
import { remembering } from './header-values.ts'

/*
 * The fast path answers common requests (JSON in by POST, one JSON answer) without Yoga's Request and Response objects, which
 * cost more than the rest of a trivial query. Parameters, hooks, execution and results are Yoga's own. Any other request
 * takes the usual way, before any work was done on it.
 */

type MediaType = 'application/json' | 'application/graphql-response+json'

/**
 * The media type of the answer by the header Accept, as Yoga chooses it: the first supported type that is listed, and JSON for
 * a wildcard. Without one, Yoga has to choose.
 */
const judgeAccept = remembering((accept): { mediaType?: MediaType } => {
  const listed = accept.toLowerCase().replace(/\s/g, '').split(',')
  const first = listed.find((entry) => /^(application\/(json|graphql-response\+json|\*)|\*\/\*)(;|$)/.test(entry))
  // Other wildcards and character sets are for Yoga to read.
  const isPlain = first !== undefined && !/charset=|\*[^/,;]|\/\*[^,;]|(^|,)\*\/[^*]/.test(accept.toLowerCase())
  const type = first?.startsWith('application/graphql-response+json')
    ? 'application/graphql-response+json'
    : 'application/json'
  return isPlain ? { mediaType: type } : {}
})

const PARAMETERS = new Set(['query', 'variables', 'operationName', 'extensions'])

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)
const isAbsentOr = (is: (value: unknown) => boolean, value: unknown): boolean => value == null || is(value)

/** The parameters in a body, or undefined if Yoga has to judge them. */
function paramsOf(body: string): GraphQLParams | undefined {
  let params: GraphQLParams
  try {
    params = JSON.parse(body)
  } catch {
    return undefined
  }
  if (!isObject(params) || typeof params.query !== 'string' || params.query.includes('subscription')) return undefined
  for (const name in params) if (!PARAMETERS.has(name)) return undefined
  const isSound =
    isAbsentOr((name) => typeof name === 'string', params.operationName) &&
    isAbsentOr(isObject, params.variables) &&
    isAbsentOr(isObject, params.extensions) &&
    // The hash may be that of a subscription.
    !params.extensions?.persistedQuery
  return isSound ? params : undefined
}

/** What hooks see of a request. */
type RequestView = Pick<Request, 'method' | 'url' | 'signal'> & { headers: Pick<Headers, 'get' | 'has'> }

class PlainRequest implements RequestView {
  readonly method = 'POST'
  readonly headers = this
  readonly #request: IncomingMessage
  #controller: AbortController | undefined

  constructor(request: IncomingMessage) {
    this.#request = request
  }

  get url(): string {
    return `http://${this.#request.headers.host}${this.#request.url}`
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get(name: string): string | null {
    const value = this.#request.headers[name.toLowerCase()]
    return Array.isArray(value) ? value.join(', ') : (value ?? null)
  }

  has(name: string): boolean {
    return this.get(name) !== null
  }
}

/** What Yoga makes a Response of. */
class PlainResponse {
  readonly body: string
  readonly status: number
  readonly headers: Record<string, string>

  constructor(body: string, { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> }) {
    this.body = body
    this.status = status
    this.headers = headers
  }
}

/** Of the whole fetch API, `processRegularResult` uses one class: it returns an instance of it. Yoga's types ask for all. */
const processPlainResult = processRegularResult as unknown as (
  result: ExecutionResult,
  fetchAPI: { Response: typeof PlainResponse },
  mediaType: MediaType,
) => PlainResponse

export interface FastPathOptions {
  graphql: GraphqlServer
  /** As Yoga was given it. */
  maskError: (error: unknown) => GraphQLError
  /** Of every answer. */
  headers: Readonly<Record<string, string>>
}

/**
 * Answers a request whose body has been read, if it is a common one.
 *
 * @returns whether it was answered. If not, no work was done on it.
 */
export function answerOnFastPath(
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  { graphql, maskError, headers }: FastPathOptions,
): boolean {
  const { mediaType } = judgeAccept(request.headers.accept ?? '*/*')
  const params = mediaType && paramsOf(body)
  if (!mediaType || !params) return false
  const record = recordOf(request)
  const send = (result: ExecutionResult) => {
    record?.take(result)
    if (response.destroyed) return
    const answer = processPlainResult(result, { Response: PlainResponse }, mediaType)
    const length = Buffer.byteLength(answer.body)
    atEndOfTurn(() => {
      if (response.destroyed) return
      const written: Record<string, string | number> = { ...headers, 'content-length': length }
      if (record) written[REQUEST_ID_HEADER] = record.id
      response.writeHead(answer.status, Object.assign(written, answer.headers))
      response.end(answer.body)
    })
  }
  const sendError = (error: unknown) => send({ errors: [maskError(error)] })
  try {
    const view: RequestView = new PlainRequest(request)
    const context = { req: request, res: response }
    const result = graphql.getResultForParams({ params, request: view as Request }, context)
    if (result instanceof Promise) result.then((result) => send(result as ExecutionResult)).catch(sendError)
    else send(result as ExecutionResult)
  } catch (error) {
    sendError(error)
  }
  return true
}
