import type { ExecutionResult } from 'graphql'
import { countStatements, type StatementCount } from '../../db/statement-count.ts'
import type { Plugin } from './plugin.ts'

/** A request with this header gets the number in `extensions.statementCount`. */
const STATEMENT_COUNT_HEADER = 'x-statement-count'

/**
 * For development: how many SQL statements an operation waited for. A nested query that grows by a statement for each
 * item shows here before it shows in production. What is shared with other operations counts for each of them; of a
 * posting, which is written by the engine for many at once, only what is read for its answer.
 */
export const tellsStatementCount: Plugin = {
  onExecute({ args, executeFn, setExecuteFn }) {
    const { request } = args.contextValue as { request?: Request }
    if (!request?.headers.get(STATEMENT_COUNT_HEADER)) return
    const count: StatementCount = { statements: 0 }
    setExecuteFn((args) => countStatements(count, () => executeFn(args)))
    return {
      onExecuteDone({ result, setResult }) {
        if (Symbol.asyncIterator in result) return
        const { extensions } = result as ExecutionResult
        setResult({ ...result, extensions: { ...extensions, statementCount: count.statements } })
      },
    }
  },
}
