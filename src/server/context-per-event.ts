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
import type { Plugin } from 'graphql-yoga'

type Answer = ExecutionResult | Promise<ExecutionResult>

/**
 * Gives every event of a subscription a context of its own. With the one that Yoga makes for the whole subscription,
 * what a loader read for the first event would be told with all others.
 *
 * A thousand subscribers of one account who ask the same of its next entry are given one answer, worked out once.
 *
 * An error of the source itself becomes the last event: thrown on, it would close a whole socket.
 */
export function contextPerEvent(createContext: () => object): Plugin {
  const answers = new WeakMap<object, Map<string, Answer>>()
  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(async (args: ExecutionArgs) => {
        const source = await createSourceEventStream(args).catch(
          (error): ExecutionResult => ({ errors: [toldOf(error)] }),
        )
        if (!(Symbol.asyncIterator in source)) return source
        // Every caller may see the same so far. With sign-in, who asks belongs in here.
        const question = questionOf(args)
        const answerTo = (event: object) => {
          const known = answers.get(event) ?? new Map<string, Answer>()
          answers.set(event, known)
          let answer = known.get(question)
          if (!answer) {
            const contextValue = { ...(args.contextValue as object), ...createContext() }
            answer = execute({ ...args, rootValue: event, contextValue })
            known.set(question, answer)
          }
          return answer
        }
        return new Answers(source[Symbol.asyncIterator]() as AsyncIterator<object>, answerTo)
      })
    },
  }
}

const documents = new WeakMap<DocumentNode, { number: number; variables: ReadonlySet<string> }>()
let documentCount = 0

/** What two subscribers have in common who are to be told the same: all but the arguments of the subscription itself. */
function questionOf({ document, operationName, variableValues }: ExecutionArgs): string {
  let known = documents.get(document)
  if (!known) {
    known = { number: ++documentCount, variables: variablesOf(document) }
    documents.set(document, known)
  }
  const variables = Object.entries(variableValues ?? {}).filter(([name]) => known.variables.has(name))
  return JSON.stringify([known.number, operationName, variables.sort()])
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
function toldOf(error: unknown): GraphQLError {
  return error instanceof GraphQLError
    ? error
    : new GraphQLError('Unexpected error.', { originalError: error as Error })
}

class Answers implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #events: AsyncIterator<object>
  readonly #answerTo: (event: object) => Answer
  #ended = false

  constructor(events: AsyncIterator<object>, answerTo: (event: object) => Answer) {
    this.#events = events
    this.#answerTo = answerTo
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#ended) return { done: true, value: undefined }
    let event: IteratorResult<object>
    try {
      event = await this.#events.next()
    } catch (error) {
      this.#ended = true
      return { done: false, value: { errors: [toldOf(error)] } }
    }
    if (event.done) return { done: true, value: undefined }
    return { done: false, value: await this.#answerTo(event.value) }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#ended = true
    await this.#events.return?.()
    return { done: true, value: undefined }
  }
}
