import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { PROTOCOL } from '../../support/graphql-transport.ts'
import { type Measure, type MeasuredServer, openMeasuredServer } from './measured-server.ts'
import { pathologicalDocuments } from './pathological.ts'

/* What strangers can do to a server with nothing but a network. */

const MIB = 2 ** 20
/** Node 24 was seen to keep up to 88 MiB more than it started with; a leak of these attacks would be hundreds. */
const RSS_GROWTH_MAX = 128 * MIB
const STOP_MS_MAX = 250
const BODY_BYTES = 100 * MIB
const CROWD = 2_000
/** What the crowd needs, and the probe beside it: all come from one address. */
const CONNECTIONS_PER_CLIENT_MAX = '5000'

/** The attacks, on a server with this environment. */
export function attackServer(environment: Readonly<Record<string, string>>): void {
  let server: MeasuredServer
  let before: Measure
  let health: ReturnType<MeasuredServer['probe']>

  const ask = (query: string, variables?: object) => server.ask(query, variables)
  /** Others are served all the while. */
  const expectServed = async () => expect(await ask('{ __typename }')).toEqual({ data: { __typename: 'Query' } })

  beforeAll(async () => {
    server = await openMeasuredServer({ environment: { ...environment, CONNECTIONS_PER_CLIENT_MAX } })
    // Once each, so that what is loaded and compiled by a first time is not counted.
    for (let round = 0; round < 20; round++) await ask(`{ viewer { id } } # ${round}`)
    for (const [, query] of pathologicalDocuments(0).slice(0, 40)) await ask(query)
    await Promise.all(
      Array.from({ length: 50 }, () => openSilentWebSocket().then(({ webSocket }) => webSocket.terminate())),
    )
    await server.measure()
  })

  afterAll(() => server.close())
  beforeEach(() => {
    health = server.probe()
  })
  afterEach(() => health.stop())

  const openTcp = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.off('error', reject)
        socket.on('error', () => {})
        resolve(socket)
      })
      socket.once('error', reject)
    })
  const closeOf = (socket: Socket) =>
    new Promise<void>((resolve) => void socket.resume().once('close', () => resolve()))

  async function openSilentWebSocket() {
    const webSocket = new WebSocket(server.socketEndpoint, PROTOCOL)
    webSocket.on('error', () => {})
    const closed = once(webSocket, 'close') as Promise<[number]>
    await once(webSocket, 'open')
    return { webSocket, closed }
  }

  /** Sends a body until all of it is gone or the server hangs up: the status it answered with. */
  async function sendBody(head: string, bytes: number, frame: (chunk: Buffer) => (string | Buffer)[]): Promise<string> {
    const socket = await openTcp()
    let answer = ''
    socket.on('data', (data) => {
      answer += data
    })
    let open = true
    const closed = new Promise<void>((resolve) =>
      socket.once('close', () => {
        open = false
        resolve()
      }),
    )
    socket.write(`POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${head}\r\n\r\n`)
    const chunk = Buffer.alloc(64 * 1024, ' ')
    for (let sent = 0; sent < bytes && open; sent += chunk.length) {
      for (const part of frame(chunk))
        if (!socket.write(part)) await Promise.race([once(socket, 'drain').catch(() => {}), closed])
    }
    socket.end()
    await closed
    return answer.slice(9, 12)
  }

  /** What came of an attack: compared with what was before all of them. */
  async function expectUnharmed(what: string): Promise<void> {
    await expectServed()
    const probed = await health.stop()
    const after = await server.measure()
    const growth = after.rssBytes - before.rssBytes
    const figures = `${what}: ${Math.round(growth / MIB)} MiB more (heap ${Math.round((after.heapBytes - before.heapBytes) / MIB)}), stood still for ${Math.round(after.stopMsMax)} ms (${Math.round(after.gapMsMax)} by the clock; quiet, ${Math.round(before.gapMsMax)}), ${Math.round(after.cpuMs)} ms of the processor; /health took at most ${Math.round(probed.maxMs)} ms`
    if (process.env.FIGURES) console.log(figures)
    expect(probed.failures, figures).toBe(0)
    expect(growth, figures).toBeLessThan(RSS_GROWTH_MAX)
    expect(after.stopMsMax, figures).toBeLessThan(STOP_MS_MAX)
    // Nothing of it is a fault.
    expect(server.complaints()).toEqual([])
  }

  test('stands by itself', async () => {
    for (let round = 0; round < 20; round++) await ask(`{ viewer { id } } # again ${round}`)
    before = await server.measure()
    expect(before.stopMsMax).toBeLessThan(STOP_MS_MAX)
  })

  test('refuses bodies of 100 MB, whether they tell their length or not', async () => {
    const known = () => sendBody(`content-length: ${BODY_BYTES}`, BODY_BYTES, (chunk) => [chunk])
    const unknown = () =>
      sendBody('transfer-encoding: chunked', BODY_BYTES, (chunk) => [`${chunk.length.toString(16)}\r\n`, chunk, '\r\n'])
    const statuses = await Promise.all([known(), unknown(), known(), unknown(), known(), unknown(), expectServed()])
    // Where the rest was still on its way the answer may be lost with the connection.
    for (const status of statuses.slice(0, -1)) expect(['413', '']).toContain(status)
    await expectUnharmed('bodies')
  })

  test('refuses bodies that are packed', async () => {
    const bomb = gzipSync(Buffer.alloc(BODY_BYTES, ' '))
    for (const path of ['/graphql', '/', '/health']) {
      for (let time = 0; time < 5; time++) {
        const response = await fetch(server.address + path, {
          method: 'POST',
          redirect: 'manual',
          headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
          body: bomb,
        })
        if (path === '/graphql') expect(response.status).toBe(415)
        await response.body?.cancel()
      }
    }
    await expectUnharmed('packed bodies')
  })

  test('is not held up by 200 that send their bodies byte by byte', async () => {
    const slow = await Promise.all(Array.from({ length: 200 }, openTcp))
    for (const [index, socket] of slow.entries()) {
      const head = index % 2 ? 'content-length: 1000000' : 'transfer-encoding: chunked'
      socket.write(`POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${head}\r\n\r\n`)
    }
    for (let round = 0; round < 30; round++) {
      for (const [index, socket] of slow.entries()) socket.write(index % 2 ? '{' : '1\r\n{\r\n')
      await expectServed()
    }
    for (const socket of slow) socket.destroy()
    await expectUnharmed('slow bodies')
  })

  test('lets go of 2,000 that say nothing, and of 2,000 sockets that say nothing', async () => {
    const silent: Socket[] = []
    const sockets: Awaited<ReturnType<typeof openSilentWebSocket>>[] = []
    for (let opened = 0; opened < CROWD; opened += 100) {
      silent.push(...(await Promise.all(Array.from({ length: 100 }, openTcp))))
      sockets.push(...(await Promise.all(Array.from({ length: 100 }, openSilentWebSocket))))
    }
    const gone = Promise.all(silent.map(closeOf))
    await expectServed()
    const codes = await Promise.all(sockets.map(async ({ closed }) => (await closed)[0]))
    expect(new Set(codes)).toEqual(new Set([4408]))
    await gone
    await expectUnharmed('silence')
  })

  test('answers 200 documents that are made to be costly, and 1,000 that are wrong', async () => {
    for (const [name, query, variables] of pathologicalDocuments(1)) {
      const started = performance.now()
      const { data, errors } = await ask(query, variables)
      expect(data ?? errors, name).toBeDefined()
      if (process.env.FIGURES === 'all') console.log(name, Math.round(performance.now() - started))
    }
    for (let index = 0; index < 1_000; index++) {
      const { errors } = await ask(`{ viewer { nothing${index} ${'x'.repeat(200)} } }`)
      expect(errors).toBeDefined()
    }
    await expectUnharmed('documents')
  })
}
