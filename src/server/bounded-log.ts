import type { Logger } from 'pino'
import { isSchemaNewer } from '../db/sqlstate.ts'

/*
 * Errors come in floods: while the database is away every operation has one. Of each kind of line only so many are written
 * in a second. The others are counted, and one line says how many they were.
 */

/** Written once: everything fails for this reason until somebody does what it says. */
const NEWER_SCHEMA =
  'the database lacks a table or a column: a newer version of Thesaurum has changed its schema; start that version in place of this one'

const LINES_PER_SECOND = 10
const WINDOW_MS = 1_000

export type ErrorLevel = 'warn' | 'error'

/** The lines of one kind within a second. */
interface Window {
  level: ErrorLevel
  lines: number
  leftOut: number
  timer: NodeJS.Timeout
}

export class BoundedLog {
  readonly #logger: Logger
  /** By message: messages are constants of the code, so there are few. */
  readonly #windows = new Map<string, Window>()
  /** Lines that were not written since this process began. */
  leftOut = 0
  #hasReportedNewerSchema = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** @param message a constant: what differs from line to line goes into `fields`. */
  write(level: ErrorLevel, fields: Readonly<Record<string, unknown>>, message: string): void {
    let window = this.#windows.get(message)
    if (!window) {
      window = { level, lines: 0, leftOut: 0, timer: setTimeout(() => this.#end(message), WINDOW_MS) }
      this.#windows.set(message, window)
    }
    if (window.lines < LINES_PER_SECOND) {
      window.lines++
      this.#logger[level](fields, message)
    } else {
      window.leftOut++
      this.leftOut++
    }
  }

  /** Writes of an error, in `fields.err`. That the schema is newer than this server is written once. */
  writeError(level: ErrorLevel, fields: Readonly<Record<string, unknown>> & { err: unknown }, message: string): void {
    if (!isSchemaNewer(fields.err)) this.write(level, fields, message)
    else if (this.#hasReportedNewerSchema) this.leftOut++
    else {
      this.#hasReportedNewerSchema = true
      this.#logger.error(fields, NEWER_SCHEMA)
    }
  }

  /** Says what was left out and not yet said. */
  close(): void {
    for (const message of [...this.#windows.keys()]) this.#end(message)
  }

  #end(message: string): void {
    const window = this.#windows.get(message)
    if (!window) return
    clearTimeout(window.timer)
    this.#windows.delete(message)
    if (window.leftOut > 0)
      this.#logger[window.level]({ count: window.leftOut }, `${message} (more lines like this were left out)`)
  }
}
