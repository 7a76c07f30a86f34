import { type ExecutionResult, getOperationAST, OperationTypeNode } from 'graphql'
import { requestError } from '../../schema/request-error.ts'
import type { Plugin } from './plugin.ts'

/**
 * Answers a query that takes too long with an error. Its statements end by their own time limits. Postings have a deadline of
 * their own, after which their answer says whether they were posted.
 */
export function answersQueriesBy(deadlineMs: number): Plugin {
  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      const operation = getOperationAST(args.document, args.operationName)
      if (operation?.operation !== OperationTypeNode.QUERY) return
      setExecuteFn((args) => {
        const answer = executeFn(args)
        return answer instanceof Promise ? inTime(answer, deadlineMs) : answer
      })
    },
  }
}

function inTime<Answer>(answer: Promise<Answer>, deadlineMs: number): Promise<Answer | ExecutionResult> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve({ errors: [requestError('DEADLINE_EXCEEDED')] }), deadlineMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
