import type { Plugin } from 'graphql-yoga'
import type { Context } from '../../schema/context.ts'
import { overloaded } from './overloaded.ts'
import { countedAs } from './viewer-count.ts'
import { ViewerTurns } from './viewer-turns.ts'

/** Variables that are larger make an operation a large one: some thirty transfers. */
const LARGE_BYTES = 16 * 1024
/** What a value takes in memory besides its text, about. */
const VALUE_BYTES = 64

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** About how much memory the variables take. */
export function bytesOf(variables: unknown): number {
  let bytes = 0
  // Not by recursion: they may be nested deeper than the stack.
  const left = [variables]
  while (left.length > 0) {
    const value = left.pop()
    bytes += VALUE_BYTES
    if (typeof value === 'string') bytes += value.length
    else if (Array.isArray(value)) for (const item of value) left.push(item)
    else if (isRecord(value)) for (const name in value) left.push(value[name])
  }
  return bytes
}

/**
 * Has operations with large variables wait for a turn of their viewer, before anything of them is read: to read a thousand
 * postings takes some 20 ms, in which nobody else is served. It must come before every plugin that reads variables.
 */
export function paceLargeOperations(deadlineMs: number): Plugin {
  const turns = new ViewerTurns({ deadlineMs })
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const bytes = args.variableValues ? bytesOf(args.variableValues) : 0
      if (bytes < LARGE_BYTES) return
      return turns.take(countedAs(args.contextValue as unknown as Context), bytes).then((release) => {
        if (release) return { onExecuteDone: release }
        setResultAndStopExecution({ errors: [overloaded()] })
        return undefined
      })
    },
  }
}
