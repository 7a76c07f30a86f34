import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/*
 * PostgreSQL as seen over a bad network. The proxy reads the protocol as far as it must: the text of a statement on its
 * way there. A fault is what to do when it sees one:
 *
 *   before   the connection is cut and the statement never arrives
 *   after    the statement is carried out, and the connection is cut instead of its answer
 *   never    the statement is carried out, and its answer is kept back until `release`
 */

type Fault = 'before' | 'after' | 'never'

export interface FaultyProxy {
  url: string
  /** Puts the fault on the next so many such statements; answers how many are yet to come. */
  inject(fault: Fault, statement: RegExp, times: number, options?: { thenRefuse: boolean }): { left(): number }
  /** Resolves when an answer is being kept back. */
  keptBack(): Promise<void>
  /** Lets go of every answer kept back. */
  release(): void
  /** From now on every new connection is refused, or no longer. */
  refuse(refusing: boolean): void
  /** Connections that were refused so far. */
  refusedCount(): number
  /** Cuts every connection there is. */
  cutAll(): void
  close(): Promise<void>
}

interface Rule {
  fault: Fault
  statement: RegExp
  left: number
  /** Nobody gets through any more once it has struck. */
  thenRefuse: boolean
}

export async function openProxy(databaseUrl: string): Promise<FaultyProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let rules: Rule[] = []
  let kept: (() => void)[] = []
  let refusing = false
  let refused = 0
  let onKept: () => void = () => {}

  const ruleFor = (statement: string): Rule | undefined => {
    const rule = rules.find(({ statement: pattern, left }) => left > 0 && pattern.test(statement))
    if (rule) {
      rule.left--
      refusing ||= rule.thenRefuse
    }
    return rule
  }

  const server = createServer((client) => {
    if (refusing) {
      refused++
      return client.destroy()
    }
    const upstream = connect(Number(target.port), target.hostname)
    const cut = () => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', cut)
      socket.on('close', () => {
        sockets.delete(socket)
        cut()
      })
    }
    /** What is to happen to the answer under way. */
    let answerFault: Fault | undefined
    let held: Buffer[] | undefined

    const toServer = splitMessages(true, (type, message) => {
      const statement = statementOf(type, message)
      const fault = statement === undefined ? undefined : ruleFor(statement)?.fault
      if (fault === 'before') return cut()
      answerFault = fault ?? answerFault
      upstream.write(message)
    })
    const toClient = splitMessages(false, (_type, message) => {
      if (answerFault === 'after') return cut()
      if (answerFault === 'never' && !held) {
        const parts: Buffer[] = []
        held = parts
        kept.push(() => {
          held = answerFault = undefined
          client.write(Buffer.concat(parts))
        })
        onKept()
      }
      if (held) held.push(message)
      else client.write(message)
    })
    client.on('data', toServer)
    upstream.on('data', toClient)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)

  const cutAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.href,
    inject(fault, statement, times, { thenRefuse } = { thenRefuse: false }) {
      const rule = { fault, statement, left: times, thenRefuse }
      rules = [...rules.filter(({ left }) => left > 0), rule]
      return { left: () => rule.left }
    },
    keptBack: () =>
      kept.length > 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            onKept = resolve
          }),
    release() {
      for (const letGo of kept) letGo()
      kept = []
    },
    refuse(now) {
      refusing = now
    },
    refusedCount: () => refused,
    cutAll,
    async close() {
      const closed = once(server, 'close')
      server.close()
      cutAll()
      await closed
    },
  }
}

/** Cuts a byte stream into the protocol's messages; a client's first one has no type byte. */
function splitMessages(startsUntyped: boolean, onMessage: (type: string, message: Buffer) => void) {
  let untyped = startsUntyped
  let rest = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const header = untyped ? 0 : 1
      if (rest.length < header + 4) return
      const length = header + rest.readInt32BE(header)
      if (rest.length < length) return
      const message = rest.subarray(0, length)
      rest = rest.subarray(length)
      const type = untyped ? '' : String.fromCharCode(message[0] as number)
      untyped = false
      onMessage(type, message)
    }
  }
}

/** The text of a simple query, or of one to be parsed. */
function statementOf(type: string, message: Buffer): string | undefined {
  if (type === 'Q') return message.toString('utf8', 5, message.length - 1)
  if (type !== 'P') return undefined
  const nameEnd = message.indexOf(0, 5)
  return message.toString('utf8', nameEnd + 1, message.indexOf(0, nameEnd + 1))
}
