import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Caller } from '../../schema/context.ts'

/**
 * One TCP connection, and what belongs to it: the HTTP answers and WebSocket messages that wait for its client. All of it is
 * released when the connection closes.
 */
export class Connection {
  readonly socket: Socket
  /** Who sent its latest request; undefined: nobody has shown a token yet. */
  caller: Caller | undefined
  /** Ends it because of what its client does. A WebSocket gives a reason. */
  cut: () => void = () => this.socket.destroy()
  /** Messages of a WebSocket that the kernel has not taken yet. */
  unsentMessages = 0
  /** Bytes of a request body that is not complete yet. */
  #bodyBytes = 0
  readonly #answers = new Set<Answer>()
  readonly #onWritten: (connection: Connection) => void

  /** @param onWritten called after something was written for the client. */
  constructor(socket: Socket, onWritten: (connection: Connection) => void) {
    this.socket = socket
    this.#onWritten = onWritten
    socket.once('close', () => this.#closeQueuedAnswers())
  }

  /** HTTP answers that are being made, wait behind another, or have not been taken yet. */
  get answers(): ReadonlySet<Answer> {
    return this.#answers
  }

  /** Takes an HTTP answer that is to be made for its client. */
  add(answer: Answer): void {
    answer.owner = this
    this.#answers.add(answer)
    answer.on('close', closed)
  }

  remove(answer: Answer): void {
    this.#answers.delete(answer)
  }

  /**
   * Calls back once all that it has asked so far is answered. If it is cut before, what it asked is given up, and nobody is
   * called.
   */
  whenAnswered(done: () => void): void {
    const answers = [...this.#answers]
    let left = answers.length
    if (left === 0) {
      done()
      return
    }
    const giveUp = () => {
      for (const { req } of answers) req.destroy()
    }
    this.socket.once('close', giveUp)
    for (const answer of answers) {
      answer.once('close', () => {
        left--
        if (left > 0 || this.socket.destroyed) return
        this.socket.off('close', giveUp)
        done()
      })
    }
  }

  /** To be called after something was written for its client. */
  written(): void {
    this.#onWritten(this)
  }

  /** To be called when a part of a request body has come, and with 0 when the body is complete or refused. */
  received(bodyBytes: number): void {
    if (bodyBytes === this.#bodyBytes) return
    this.#bodyBytes = bodyBytes
    this.#onWritten(this)
  }

  /**
   * Bytes that were written for the client and are still in this process. The bytes of an incomplete body count too, since they
   * also wait for the client.
   */
  get unreadBytes(): number {
    if (this.socket.destroyed) return 0
    let bytes = this.socket.writableLength + this.#bodyBytes
    if (this.#answers.size > 1) for (const answer of this.#answers) if (!answer.socket) bytes += answer.writableLength
    return bytes
  }

  /** Whether no more than one answer or message waits: it may be as large as its cost allows. */
  get hasOneAnswer(): boolean {
    return this.#answers.size + this.unsentMessages <= 1
  }

  /** Node emits `close` only for the answer that is being sent, and what is kept for the others would stay for ever. */
  #closeQueuedAnswers(): void {
    for (const answer of this.#answers) {
      if (answer.socket) continue
      answer.destroy()
      answer.emit('close')
    }
  }
}

/** The only listener of an answer's `close`: a second one would cost a microsecond for each request. */
function closed(this: Answer): void {
  this.owner?.remove(this)
  const { onClose } = this
  this.onClose = undefined
  onClose?.()
}

type Written = (error?: Error | null) => void

/** An HTTP answer that notifies its connection of every write. */
export class Answer<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  owner: Connection | undefined
  /** Called once, when the answer was sent or given up. */
  onClose: (() => void) | undefined

  override write(chunk: unknown, encoding?: BufferEncoding | Written, written?: Written): boolean {
    const hasRoom = typeof encoding === 'string' ? super.write(chunk, encoding, written) : super.write(chunk, encoding)
    this.owner?.written()
    return hasRoom
  }

  override end(chunk?: unknown, encoding?: BufferEncoding | (() => void), ended?: () => void): this {
    if (typeof encoding === 'string') super.end(chunk, encoding, ended)
    else super.end(chunk, encoding)
    this.owner?.written()
    return this
  }
}
