import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { openTestDatabase, type TestDatabase } from './database.ts'
import { PROTOCOL } from './graphql-transport.ts'
import type { Measure } from './measured-server.ts'
import { pathologicalDocuments } from './pathological.ts'

/* What strangers can do to a server with nothing but a network. */

const MIB = 2 ** 20
const RSS_GROWTH_MAX = 64 * MIB
const STOP_MS_MAX = 100
const BODY_BYTES = 100 * MIB
const CROWD = 2_000

/** The attacks, on a server with this environment. */
export function attackServer(environment: Readonly<Record<string, string>>): void {
  let database: TestDatabase
  let folder: string
  let child: ChildProcess
  let address: string
  let port: number
  let before: Measure

  const measure = async (): Promise<Measure> => {
    const told = once(child, 'message')
    child.send('measure')
    const [measured] = (await told) as [Measure]
    return measured
  }
  const ask = async (query: string, variables?: object) => {
    const response = await fetch(`${address}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    return response.json() as Promise<{ data?: unknown; errors?: unknown[] }>
  }
  /** Others are served all the while. */
  const expectServed = async () => expect(await ask('{ __typename }')).toEqual({ data: { __typename: 'Query' } })

  beforeAll(async () => {
    database = await openTestDatabase()
    folder = await mkdtemp(join(tmpdir(), 'thesaurum-hostile-'))
    const program = fileURLToPath(new URL('./measured-server.ts', import.meta.url))
    child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', program], {
      env: {
        PATH: '/usr/bin:/bin',
        LOG_LEVEL: 'warn',
        PORT: '0',
        DATA_DIR: folder,
        ...environment,
        DATABASE_URL: database.url,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const gone = once(child, 'exit').then(([code]) => {
      throw new Error(`the server did not start: ${code}`)
    })
    const [{ address: told }] = (await Promise.race([once(child, 'message'), gone])) as [{ address: string }]
    gone.catch(() => {})
    address = told
    port = Number(new URL(address).port)
    // Once each, so that what is loaded and compiled by a first time is not counted.
    for (let round = 0; round < 20; round++) await ask(`{ viewer { id } } # ${round}`)
    for (const [, query] of pathologicalDocuments(0).slice(0, 40)) await ask(query)
    await Promise.all(
      Array.from({ length: 50 }, () => openSilentWebSocket().then(({ webSocket }) => webSocket.terminate())),
    )
    await measure()
  })

  afterAll(async () => {
    const gone = once(child, 'close')
    child.kill('SIGKILL')
    await gone
    await database.close()
    await rm(folder, { recursive: true, force: true })
  })

  const openTcp = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, 'localhost', () => {
        socket.off('error', reject)
        socket.on('error', () => {})
        resolve(socket)
      })
      socket.once('error', reject)
    })
  const closeOf = (socket: Socket) =>
    new Promise<void>((resolve) => void socket.resume().once('close', () => resolve()))

  async function openSilentWebSocket() {
    const webSocket = new WebSocket(`${address.replace('http', 'ws')}/graphql`, PROTOCOL)
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
    const after = await measure()
    const growth = after.rssBytes - before.rssBytes
    const figures = `${what}: ${Math.round(growth / MIB)} MiB more (heap ${Math.round((after.heapBytes - before.heapBytes) / MIB)}), stood still for ${Math.round(after.stopMsMax)} ms (${Math.round(after.gapMsMax)} by the clock; quiet, ${Math.round(before.gapMsMax)}), ${Math.round(after.cpuMs)} ms of the processor`
    if (process.env.FIGURES) console.log(figures)
    expect(growth, figures).toBeLessThan(RSS_GROWTH_MAX)
    expect(after.stopMsMax, figures).toBeLessThan(STOP_MS_MAX)
    // Nothing of it is a fault.
    expect(after.logged).toEqual([])
  }

  test('stands by itself', async () => {
    for (let round = 0; round < 20; round++) await ask(`{ viewer { id } } # again ${round}`)
    before = await measure()
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
        const response = await fetch(address + path, {
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
