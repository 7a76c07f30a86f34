import { afterAll, expect } from 'vitest'
import { WebSocket } from 'ws'
import { Leaks } from './leaks.ts'

/*
 * With every test file: no token, password or e-mail address that its tests send or are given may come back in an error or in the reason
 * of a close, nor stand in a log. All that goes through `fetch` and through sockets of `ws` is heard.
 */

declare global {
  /** One for the whole file, whoever imports this. */
  var canary: Leaks
  var canaryListens: boolean | undefined
}

globalThis.canary = new Leaks()

/** For a test of the canary itself: what `work` leaks is found here, and does not fail its file. */
export async function withOwnCanary<Result>(work: (leaks: Leaks) => Promise<Result>): Promise<Result> {
  const shared = globalThis.canary
  globalThis.canary = new Leaks()
  try {
    return await work(globalThis.canary)
  } finally {
    globalThis.canary = shared
  }
}

type Emit = (this: WebSocket & { _isServer?: boolean }, name: string, ...values: unknown[]) => boolean
const isClient = (socket: object) => !(socket as { _isServer?: boolean })._isServer

/** Once a process: files that share one would otherwise hear everything twice, and then three times. */
function listen(): void {
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const leaks = globalThis.canary
    leaks.learnAuthorization(new Headers(init?.headers).get('authorization'))
    if (typeof init?.body === 'string') leaks.learnSent(init.body)
    if (typeof input === 'string' && input.includes('?')) {
      const parameters = new URL(input).searchParams
      for (const value of parameters.values()) leaks.learnSent(value)
    }
    const response = await fetch(input, init)
    // An event stream is left alone: a second reader would hide that the first one takes nothing.
    if (/json/.test(response.headers.get('content-type') ?? '')) {
      void response
        .clone()
        .text()
        .then(
          (text) => leaks.hear(text, String(input)),
          () => {},
        )
    }
    return response
  }

  const { send, emit } = WebSocket.prototype as unknown as { send: (...values: unknown[]) => void; emit: Emit }

  Object.assign(WebSocket.prototype, {
    send(this: WebSocket, data: unknown, ...rest: unknown[]) {
      if (isClient(this)) globalThis.canary.learnSent(String(data))
      return send.call(this, data, ...rest)
    },
    emit: function (name, ...values) {
      if (isClient(this)) {
        if (name === 'message') globalThis.canary.hear(String(values[0]), 'a socket')
        if (name === 'close') globalThis.canary.hearWords(String(values[1] ?? ''), 'the reason of a close')
      }
      return emit.call(this, name, ...values)
    } satisfies Emit,
  })
}

if (!globalThis.canaryListens) listen()
globalThis.canaryListens = true

afterAll(() => {
  expect(globalThis.canary.found(), 'secrets that came back, or were logged').toEqual([])
})
