import type { ExecutionResult, GraphQLError, VariableDefinitionNode } from 'graphql'
import type { RequestCode } from '../schema/request-codes.ts'
import { type Fault, faultBehind } from './graphql/masked-errors.ts'

export type Transport = 'http' | 'event-stream' | 'websocket'
export type OperationType = 'query' | 'mutation' | 'subscription'

/** How a request ended, for metrics: a small set, whatever codes there are. */
export type Result = 'ok' | 'refused' | 'unavailable' | 'error' | 'aborted'

/** Codes of errors that pass: the same request may succeed when it is sent again. */
const PASSING_CODES: ReadonlySet<string> = new Set<RequestCode>([
  'UNAVAILABLE',
  'OVERLOADED',
  'RETRIES_EXHAUSTED',
  'OUTCOME_UNKNOWN',
  'DEADLINE_EXCEEDED',
])

const INTERNAL = 'INTERNAL_SERVER_ERROR' satisfies RequestCode

/** Of errors that have no code of their own: graphql-js refused the document. */
const NO_CODE = 'BAD_REQUEST' satisfies RequestCode

/** A longer name is cut: names are the client's own words. */
export const NAME_LENGTH_MAX = 100
const VARIABLES_MAX = 50

/** Most requests have no codes: they share one empty list. */
const NONE: readonly string[] = []

/** Different codes that one request is logged with. */
const CODES_MAX = 10

/** What is known of a request over HTTP, or of an operation on a socket, until it has ended. */
export class RequestRecord {
  readonly id: string
  transport: Transport
  /** In the milliseconds of `performance.now()`. */
  readonly startedAt = performance.now()
  /** What it asked for: a word of ours. */
  route = 'graphql'
  /** The viewer's key: role and id. */
  viewer: string | undefined
  type: OperationType | undefined
  /** The operation's name: a name by GraphQL's grammar, shortened. */
  operation: string | undefined
  /** The variables that the document declares. */
  variableDefinitions: readonly VariableDefinitionNode[] | undefined
  cost: number | undefined
  /** Codes of typed errors, which are data. The schema notes them while the operation runs. */
  refusals: readonly string[] = NONE
  #codes: readonly string[] = NONE
  /** Whether its subscription runs, or ran. */
  hasBegun = false
  #faultCount = 0
  #fault: Fault | undefined

  constructor(id: string, transport: Transport) {
    this.id = id
    this.transport = transport
  }

  /** The names of its variables. */
  get variables(): readonly string[] | undefined {
    return this.variableDefinitions
      ?.slice(0, VARIABLES_MAX)
      .map(({ variable }) => variable.name.value.slice(0, NAME_LENGTH_MAX))
  }

  get codes(): readonly string[] {
    return this.refusals.length === 0 ? this.#codes : [...new Set([...this.#codes, ...this.refusals])]
  }

  addCode(code: string): void {
    if (this.#codes.length < CODES_MAX && !this.#codes.includes(code)) this.#codes = [...this.#codes, code]
  }

  /** Takes note of an answer, and writes this id into the internal errors in it, so that a person finds the line of the log. */
  take({ errors }: Pick<ExecutionResult, 'errors'>): void {
    if (errors) for (const error of errors) this.#takeError(error)
  }

  #takeError(error: GraphQLError): void {
    const { extensions } = error
    const code = typeof extensions?.code === 'string' ? extensions.code : NO_CODE
    this.addCode(code)
    if (code === INTERNAL && extensions) extensions.requestId = this.id
    const fault = faultBehind(error)
    if (!fault) return
    this.#faultCount++
    // A fault of ours says more than a database that is away.
    if (!this.#fault || (this.#fault.isPassing && !fault.isPassing)) this.#fault = fault
  }

  /** How many fields failed for a reason that clients do not see, since this was last asked, and the first reason. */
  takeFaults(): { count: number; first: Fault } | undefined {
    if (!this.#fault) return undefined
    const faults = { count: this.#faultCount, first: this.#fault }
    this.#faultCount = 0
    this.#fault = undefined
    return faults
  }

  /** @param status of HTTP, if there is one. */
  resultOf(status: number | undefined): Result {
    const codes = this.codes
    if (codes.includes(INTERNAL) || status === 500) return 'error'
    if (status === 503 || codes.some((code) => PASSING_CODES.has(code))) return 'unavailable'
    return codes.length > 0 || (status ?? 200) >= 400 ? 'refused' : 'ok'
  }
}
