import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

export interface CallersOptions {
  url: string
  token: string
  /** `KEY` in it stands for a new UUID in each call. */
  body: string
  parallel: number
  /** Between the answer to a call and the next one of the same caller. */
  pauseMs: number
}

export interface CallerFigures {
  latenciesMs: number[]
  /** How often each error code or type name was answered. */
  answers: Partial<Record<string, number>>
  /** Calls without an answer. */
  failures: number
}

/** Starts callers in a thread of their own: see callers.mjs. */
export function startCallers(options: CallersOptions) {
  const worker = new Worker(fileURLToPath(new URL('./callers.mjs', import.meta.url)), { workerData: options })
  const ask = async (message: 'take' | 'stop'): Promise<CallerFigures> => {
    const answered = once(worker, 'message')
    worker.postMessage(message)
    const [figures] = await answered
    return figures
  }
  return {
    /** The figures since this was asked before. */
    take: () => ask('take'),
    /** Ends them, when each has its last answer. */
    stop: () => ask('stop'),
  }
}

export const medianOf = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
