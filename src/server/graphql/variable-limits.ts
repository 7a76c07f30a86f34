import type { GraphQLError } from 'graphql'
import { refusedRequest } from '../../schema/request-error.ts'

/* What the variables of an operation may hold, whatever it does with them. */

/** Values, each list and object included: a thousand postings have 6,000, and 200,000 take 150 ms. */
export const VARIABLE_VALUES_MAX = 20_000
/** Of a variable or an input field. For a longer one graphql-js would look for names that are most like it. */
export const VARIABLE_NAME_LENGTH_MAX = 256
/** What a value takes in memory besides its text, about. */
const VALUE_BYTES = 64

const refusal = (message: string) => refusedRequest('BAD_REQUEST', message)

export interface VariablesSize {
  /** About how much memory they take. */
  bytes: number
  /** What is too much. */
  excess?: GraphQLError
}

const NOTHING: VariablesSize = { bytes: 0 }

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Of variables that were measured. Two hooks of an operation ask for them. */
const sizes = new WeakMap<object, VariablesSize>()

/** Measures variables once. They must not change afterwards. */
export function measureVariables(variables: unknown): VariablesSize {
  if (!isRecord(variables)) return NOTHING
  let size = sizes.get(variables)
  if (!size) {
    size = sizeOf(variables)
    sizes.set(variables, size)
  }
  return size
}

function sizeOf(variables: object): VariablesSize {
  let [bytes, count, nameLengthMax] = [0, 0, 0]
  // Not by recursion: they may be nested deeper than the stack.
  const left: unknown[] = [variables]
  while (left.length > 0) {
    const value = left.pop()
    bytes += VALUE_BYTES
    count++
    if (typeof value === 'string') bytes += value.length
    else if (Array.isArray(value)) for (const item of value) left.push(item)
    else if (isRecord(value)) {
      for (const name in value) {
        nameLengthMax = Math.max(nameLengthMax, name.length)
        left.push(value[name])
      }
    }
  }
  if (nameLengthMax > VARIABLE_NAME_LENGTH_MAX)
    return {
      bytes,
      excess: refusal(`A name in the variables has more than ${VARIABLE_NAME_LENGTH_MAX} characters. Shorten it.`),
    }
  // The variables as a whole are no value of theirs.
  if (count - 1 > VARIABLE_VALUES_MAX)
    return {
      bytes,
      excess: refusal(`The variables have more than ${VARIABLE_VALUES_MAX} values. Send several requests.`),
    }
  return { bytes }
}
