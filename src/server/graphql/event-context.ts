import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
  Kind,
  visit,
} from 'graphql'
import type { Auth } from '../../auth/auth.ts'
import type { Context } from '../../schema/context.ts'
import { REQUEST_CODES } from '../../schema/request-codes.ts'
import { requestError } from '../../schema/request-error.ts'
import type { Plugin } from './plugin.ts'
import { ViewerCount } from './viewer-count.ts'

type Answer = ExecutionResult | Promise<ExecutionResult>

export interface PerEventOptions {
  /** The same caller's, made anew. */
  createContext: (context: Context) => Context
  authenticator: Auth['authenticator']
  /** Of one viewer, on all transports together. */
  subscriptionsMax: number
}

/**
 * Gives every event of a subscription a context of its own. With the one that Yoga makes for the whole subscription,
 * all later events would have what a loader read for the first.
 *
 * A thousand subscribers of one account who ask the same of its next entry are given one answer, worked out once.
 *
 * A subscription whose session is over ends with an error, and one viewer has only so many of them.
 *
 * An error of the source itself becomes the last event: thrown on, it would close a whole socket.
 */
export function contextPerEvent({ createContext, authenticator, subscriptionsMax }: PerEventOptions): Plugin {
  const answers = new WeakMap<object, Map<string, Answer>>()
  const subscriptionCount = new ViewerCount(subscriptionsMax)
  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(async (args: ExecutionArgs) => {
        const context = args.contextValue as Context
        const { token, viewer } = context
        const release = subscriptionCount.take(context)
        if (!release) return { errors: [tooMany(subscriptionsMax)] }
        const source = await createSourceEventStream(args).catch(
          (error): ExecutionResult => ({ errors: [clientErrorOf(error)] }),
        )
        if (!(Symbol.asyncIterator in source)) {
          release()
          return source
        }
        const question = questionOf(args)
        const answerTo = (event: object) => {
          const known = answers.get(event) ?? new Map<string, Answer>()
          answers.set(event, known)
          let answer = known.get(question)
          if (!answer) {
            const latest = token === null ? viewer : authenticator.latest(token, viewer)
            const contextValue = { ...context, ...createContext({ ...context, viewer: latest }) }
            answer = execute({ ...args, rootValue: event, contextValue })
            known.set(question, answer)
          }
          return answer
        }
        const events = new Answers(source[Symbol.asyncIterator]() as AsyncIterator<object>, answerTo, () => {
          release()
          stopWatching?.()
        })
        const stopWatching =
          token === null ? undefined : authenticator.watch(token, viewer, () => events.end(signedOut()))
        return events
      })
    },
  }
}

const documents = new WeakMap<DocumentNode, { number: number; variables: ReadonlySet<string> }>()
let documentCount = 0

/** The key by which subscribers share answers: their viewer, and everything but the arguments of the subscription itself. */
function questionOf({ document, operationName, variableValues, contextValue }: ExecutionArgs): string {
  let known = documents.get(document)
  if (!known) {
    known = { number: ++documentCount, variables: variablesOf(document) }
    documents.set(document, known)
  }
  const variables = Object.entries(variableValues ?? {}).filter(([name]) => known.variables.has(name))
  return JSON.stringify([(contextValue as Context).viewer.key, known.number, operationName, variables.sort()])
}

/** The variables that a document uses beyond the arguments of its root fields. */
function variablesOf(document: DocumentNode): Set<string> {
  const names = new Set<string>()
  let depth = 0
  visit(document, {
    VariableDefinition: () => false,
    Field: {
      enter: () => void depth++,
      leave: () => void depth--,
    },
    // A fragment may stand anywhere: what it uses counts.
    FragmentDefinition: { enter: () => void depth++, leave: () => void depth-- },
    Directive: { enter: () => void depth++, leave: () => void depth-- },
    [Kind.VARIABLE]: (variable) => {
      if (depth > 1) names.add(variable.name.value)
    },
  })
  return names
}

/** What is no word for clients is masked and logged later on, by its original. */
function clientErrorOf(error: unknown): GraphQLError {
  return error instanceof GraphQLError
    ? error
    : new GraphQLError(REQUEST_CODES.INTERNAL_SERVER_ERROR.message, { originalError: error as Error })
}

const signedOut = () =>
  requestError('UNAUTHENTICATED', 'The session has ended. Sign in again, then subscribe with `since`: nothing is lost.')

const tooMany = (max: number) =>
  requestError(
    'TOO_MANY_SUBSCRIPTIONS',
    `A viewer may have at most ${max} subscriptions at once. End one, then try again.`,
  )

class Answers implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #events: AsyncIterator<object>
  readonly #answerTo: (event: object) => Answer
  readonly #onOver: () => void
  #ended = false
  /** Sent as the last event. */
  #finalError: GraphQLError | undefined
  /** Lets whoever waits for an event wait no longer. */
  #stopWaiting: (() => void) | undefined

  constructor(events: AsyncIterator<object>, answerTo: (event: object) => Answer, onOver: () => void) {
    this.#events = events
    this.#answerTo = answerTo
    this.#onOver = onOver
  }

  /** Ends the subscription from here, with an error as its last event. */
  end(finalError: GraphQLError): void {
    if (this.#ended || this.#finalError) return
    this.#finalError = finalError
    // At once: the source has its own time to end, and a socket is closed soon after.
    this.#stopWaiting?.()
    void this.#events.return?.()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#ended) return { done: true, value: undefined }
    let event: IteratorResult<object> = { done: true, value: undefined }
    try {
      if (!this.#finalError) event = await this.#nextEvent()
    } catch (error) {
      return this.#last(clientErrorOf(error))
    }
    if (this.#finalError) return this.#last(this.#finalError)
    if (!event.done) return { done: false, value: await this.#answerTo(event.value) }
    this.#over()
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#over()
    await this.#events.return?.()
    return { done: true, value: undefined }
  }

  #nextEvent(): Promise<IteratorResult<object>> {
    return new Promise((resolve, reject) => {
      this.#stopWaiting = () => resolve({ done: true, value: undefined })
      this.#events.next().then(resolve, reject)
    })
  }

  #last(error: GraphQLError): IteratorResult<ExecutionResult, undefined> {
    this.#over()
    return { done: false, value: { errors: [error] } }
  }

  #over(): void {
    if (this.#ended) return
    this.#ended = true
    this.#onOver()
  }
}
