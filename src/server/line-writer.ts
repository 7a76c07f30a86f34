import { write, writeSync } from 'node:fs'

/*
 * Writes log lines to a file descriptor without ever waiting for it. Lines gather for a moment and go in one write, one write
 * at a time:
 *
 *   idle → gathering     the first line comes
 *   gathering → writing  a moment is over, or there is enough for a write
 *   writing → gathering  more lines came meanwhile
 *   any → broken         the reader has gone: lines are thrown away from then on
 *
 * Waiting lines are bounded. When the reader of a pipe does not keep up, lines are left out and counted, and the next line
 * that gets through says how many. Pino's own destination does the same for twice the processor time: it measures all that
 * waits again with each line.
 */

/** How long a line may wait for others. */
const GATHER_MS = 20
/** Enough for a write at once. */
const WRITE_LENGTH = 64 * 1024
/** Characters that may wait, in JavaScript's count. */
const WAITING_LENGTH_MAX = 8 * 1024 * 1024
/** A full pipe that does not block says so at once: it is asked again after this long. */
const RETRY_MS = 10
/** How long the last lines may take when the process exits. */
const EXIT_TIMEOUT_MS = 1_000

const isFull = (error: NodeJS.ErrnoException | null) => error?.code === 'EAGAIN'

export class LineWriter {
  readonly #fd: number
  #waiting: string[] = []
  #waitingLength = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  /** What the write under way still has to write. */
  #rest: Buffer = Buffer.alloc(0)
  #leftOut = 0
  #isBroken = false
  readonly #onExit = () => this.flushSync()

  constructor(fd: number) {
    this.#fd = fd
    process.on('exit', this.#onExit)
  }

  /** @param line with its line break. */
  write(line: string): void {
    if (this.#isBroken) return
    if (this.#waitingLength + line.length > WAITING_LENGTH_MAX) {
      this.#leftOut++
      return
    }
    this.#waiting.push(line)
    this.#waitingLength += line.length
    if (this.#writing) return
    if (this.#waitingLength >= WRITE_LENGTH) this.#start()
    else this.#timer ??= setTimeout(() => this.#start(), GATHER_MS)
  }

  /** Writes all that waits, and takes no more. */
  async close(): Promise<void> {
    while (this.#waitingLength > 0 || this.#writing) {
      this.#start()
      await this.#writing
    }
    process.off('exit', this.#onExit)
  }

  /** Writes what waits before it returns, for a process that is about to end. */
  flushSync(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const giveUpAt = performance.now() + EXIT_TIMEOUT_MS
    // What is in the middle of a write is left to it.
    let rest = this.#take()
    while (rest.length > 0 && !this.#isBroken && performance.now() < giveUpAt) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest))
      } catch (error) {
        if (!isFull(error as NodeJS.ErrnoException)) this.#isBroken = true
      }
    }
  }

  #start(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#writing || this.#waitingLength === 0) return
    this.#rest = this.#take()
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
      if (this.#waitingLength > 0) this.#start()
    })
  }

  #take(): Buffer {
    if (this.#leftOut > 0) {
      const time = Date.now()
      this.#waiting.push(
        `${JSON.stringify({ level: 40, time, count: this.#leftOut, msg: 'log lines were left out' })}\n`,
      )
      this.#leftOut = 0
    }
    const text = this.#waiting.join('')
    this.#waiting = []
    this.#waitingLength = 0
    return Buffer.from(text)
  }

  async #write(): Promise<void> {
    while (this.#rest.length > 0) {
      const { error, bytes } = await new Promise<{ error: NodeJS.ErrnoException | null; bytes: number }>((resolve) =>
        write(this.#fd, this.#rest, 0, this.#rest.length, null, (error, bytes) => resolve({ error, bytes })),
      )
      if (!error) this.#rest = this.#rest.subarray(bytes)
      else if (isFull(error)) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      else {
        // Nobody reads any more. There is no place left where that could be said.
        this.#isBroken = true
        this.#rest = Buffer.alloc(0)
        this.#waiting = []
        this.#waitingLength = 0
      }
    }
  }
}
