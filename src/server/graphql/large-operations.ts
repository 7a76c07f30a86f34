import { refusedRequest } from '../../schema/request-error.ts'
import type { Plugin } from './plugin.ts'
import { measureVariables } from './variable-limits.ts'
import { countedAs } from './viewer-count.ts'
import { ViewerTurns } from './viewer-turns.ts'

/** Variables that are larger make an operation a large one: some thirty transfers. */
const LARGE_BYTES = 16 * 1024

/**
 * Has operations with large variables wait for a turn of their viewer, before anything of them is read: to read a thousand
 * postings takes some 20 ms, in which nobody else is served. It must come before every plugin that reads variables.
 */
export function paceLargeOperations(deadlineMs: number): Plugin {
  const turns = new ViewerTurns({ deadlineMs })
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const { bytes } = measureVariables(args.variableValues)
      if (bytes < LARGE_BYTES) return
      return turns.take(countedAs(args.contextValue), bytes).then((release) => {
        if (release) return { onExecuteDone: release }
        setResultAndStopExecution({ errors: [refusedRequest('OVERLOADED')] })
        return undefined
      })
    },
  }
}
