import { constants } from 'node:os'

/** A command was stopped by a signal before its work was done. */
export class StoppedError extends Error {
  override name = 'StoppedError'
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`Stopped by ${signal}.`)
    this.signal = signal
  }

  /** As a shell reports a command that a signal ended. */
  get exitCode(): number {
    return 128 + constants.signals[this.signal]
  }
}

/** One Ctrl-C may be heard twice: from the terminal, and from npm, which passes it on. */
const SIGNAL_ECHO_MS = 1_000

/**
 * Listens for signals to stop.
 *
 * @returns a signal that aborts at the first of them, with a {@link StoppedError}. A second one ends the process at once; the next start
 * recovers from what that leaves.
 */
export function listenForStop(): AbortSignal {
  const stop = new AbortController()
  let heardAt: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      heardAt ??= performance.now()
      if (performance.now() > heardAt + SIGNAL_ECHO_MS) process.exit(1)
      stop.abort(new StoppedError(signal))
    })
  }
  return stop.signal
}

/** The result of `work`, or a rejection as soon as `stop` aborts. Work that is given up on ends with the process. */
export function unlessStopped<T>(stop: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (stop.aborted) return reject(stop.reason)
    const onAbort = () => reject(stop.reason)
    stop.addEventListener('abort', onAbort, { once: true })
    work()
      .finally(() => stop.removeEventListener('abort', onAbort))
      .then(resolve, reject)
  })
}
