import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Answer {
  /** 0: the connection was lost before there was any. */
  status: number
  body: string
}

const LOST: Answer = { status: 0, body: 'the connection was lost' }

/**
 * A connection that asks one thing after another, with as little of its own as can be: a request is one write of one
 * string, and of an answer only its length and the status are looked at before the body is handed on.
 */
export class Connection {
  readonly #socket: Socket
  readonly #head: string
  #received = ''
  #settle: ((answer: Answer) => void) | undefined

  private constructor(socket: Socket, head: string) {
    this.#socket = socket
    this.#head = head
    socket.setNoDelay(true)
    // Bodies of the benchmark are ASCII, and so a character is a byte.
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#take(chunk))
    const lost = () => this.#answer(LOST)
    socket.on('error', lost)
    socket.on('close', lost)
  }

  static async open(address: string, token: string | null): Promise<Connection> {
    const { host, hostname, port } = new URL(address)
    const socket = connect({ host: hostname, port: Number(port) })
    await once(socket, 'connect')
    const authorization = token === null ? '' : `Authorization: Bearer ${token}\r\n`
    return new Connection(
      socket,
      `POST /graphql HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n${authorization}Content-Length: `,
    )
  }

  /** What was asked before must have been answered. */
  ask(body: string, settle: (answer: Answer) => void): void {
    this.#settle = settle
    if (this.#socket.destroyed) this.#answer(LOST)
    else this.#socket.write(`${this.#head}${body.length}\r\n\r\n${body}`, 'latin1')
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: string): void {
    this.#received = this.#received === '' ? chunk : this.#received + chunk
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const bodyStart = headEnd + 4
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#received)?.[1]
    if (length === undefined) throw new Error(`an answer that does not tell its length: ${this.#received}`)
    if (this.#received.length < bodyStart + Number(length)) return
    const answer = { status: Number(this.#received.slice(9, 12)), body: this.#received.slice(bodyStart) }
    this.#received = ''
    this.#answer(answer)
  }

  #answer(answer: Answer): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(answer)
  }
}
