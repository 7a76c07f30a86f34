import { AsyncLocalStorage } from 'node:async_hooks'

/*
 * How many SQL statements a piece of work waited for. Nothing is counted, and nothing is paid, until somebody asks;
 * what the posting engine sends for many callers together is nobody's own, and not counted.
 */

export interface StatementCount {
  statements: number
}

const counts = new AsyncLocalStorage<StatementCount | undefined>()

/** Runs `work` and adds each statement that it sends, at any depth, to `count`; undefined: counts none of them. */
export function countStatements<Result>(count: StatementCount | undefined, work: () => Result): Result {
  return counts.run(count, work)
}

/** The count of whoever is running, if anybody asked for one. */
export function currentCount(): StatementCount | undefined {
  return counts.getStore()
}

/** Called by the database layer for every statement. */
export function noteStatement(): void {
  const count = counts.getStore()
  if (count) count.statements++
}
