import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { WebSocket } from 'ws'
import { startServe } from './child.ts'
import { openBenchServer } from './database.ts'
import { median, percentile, table } from './measure.ts'
import { makeToken } from './token.ts'

/*
 * The live feed: a server in a process of its own, a thousand WebSockets with a subscription each, and deposits in an open
 * loop over HTTP. Slices with and without subscribers take turns; the sockets stay open in both.
 *
 * The time of a frame is counted from `createdAt`, PostgreSQL's clock before the commit: an upper bound of the time from
 * commit to frame.
 */

const { values: options } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
  },
})
const SUBSCRIBERS = Number(options.subscribers)
const SLICE_MS = Number(options.seconds) * 1_000
const ROUNDS = Number(options.rounds)

// The server closes an idle connection after 5 s: never to be caught using one of those.
const agent = new Agent({ keepAlive: true, maxSockets: 100, timeout: 3_000 })

/** All subscribers are one viewer's. */
const LIMITS = { SOCKETS_PER_VIEWER_MAX: '10000', SUBSCRIPTIONS_PER_VIEWER_MAX: '10000' }

function deposit(address: string, accountId: string): Promise<number> {
  const body = JSON.stringify({
    query:
      'mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { replayed } ... on Error { code } } }',
    variables: { input: { idempotencyKey: randomUUID(), accountId, amount: 1 } },
  })
  const start = performance.now()
  return new Promise((resolve, reject) => {
    const call = request(
      `http://${address}/graphql`,
      {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), authorization },
      },
      (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => {
          if (text.includes('"replayed":false')) resolve(performance.now() - start)
          else reject(new Error(text))
        })
      },
    )
    call.on('error', reject)
    call.end(body)
  })
}

/** Deposits at a steady rate, whatever the answers take; the milliseconds of each. */
async function postSteadily(address: string, perSecond: number, accountId: () => string): Promise<number[]> {
  const answers: Promise<number>[] = []
  const start = performance.now()
  for (;;) {
    const elapsedMs = performance.now() - start
    if (elapsedMs >= SLICE_MS) return Promise.all(answers)
    for (const due = (elapsedMs * perSecond) / 1_000; answers.length < due; )
      answers.push(deposit(address, accountId()))
    await sleep(2)
  }
}

interface Subscriber {
  subscribe(accountId: string): void
  unsubscribe(): void
  close(): void
}

let onFrame: (latencyMs: number) => void = () => {}

async function openSubscriber(address: string): Promise<Subscriber> {
  const socket = new WebSocket(`ws://${address}/graphql`, 'graphql-transport-ws')
  await once(socket, 'open')
  const say = (message: object) => socket.send(JSON.stringify(message))
  let id = 0
  const acknowledged = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      const text = String(data)
      const { type, payload } = JSON.parse(text)
      if (type === 'connection_ack') resolve()
      else if (type === 'next')
        onFrame(performance.timeOrigin + performance.now() - milliseconds(payload.data.entryPosted.createdAt))
      else if (type !== 'complete') throw new Error(text)
    })
  })
  say({ type: 'connection_init', payload: { authorization } })
  await acknowledged
  return {
    subscribe(accountId) {
      const query =
        'subscription ($accountId: ID!) { entryPosted(accountId: $accountId) { cursor sequence change balanceAfter createdAt } }'
      say({ type: 'subscribe', id: String(++id), payload: { query, variables: { accountId } } })
    },
    unsubscribe: () => say({ type: 'complete', id: String(id) }),
    close: () => socket.terminate(),
  }
}

const milliseconds = (instant: string) => Date.parse(`${instant.slice(0, 23)}Z`) + Number(instant.slice(23, 26)) / 1_000

/** Of the server: processor seconds so far, and memory in MiB. */
function usage(pid: number) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, memoryMiB: Number(resident) / 1_024 }
}

const ms = (value: number) => value.toFixed(1)

async function measure(
  title: string,
  address: string,
  subscribers: readonly Subscriber[],
  accountOf: (subscriber: number) => string,
  perSecond: number,
  someAccount: () => string,
) {
  const without: number[] = []
  const withThem: number[] = []
  const frames: number[] = []
  const ratios: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const before = await postSteadily(address, perSecond, someAccount)
    for (const [index, subscriber] of subscribers.entries()) subscriber.subscribe(accountOf(index))
    await sleep(3_000)
    const latencies: number[] = []
    onFrame = (latencyMs) => latencies.push(latencyMs)
    const during = await postSteadily(address, perSecond, someAccount)
    await sleep(500)
    onFrame = () => {}
    for (const subscriber of subscribers) subscriber.unsubscribe()
    await sleep(1_000)
    const after = await postSteadily(address, perSecond, someAccount)
    // The first round warms up.
    if (round === 0) continue
    without.push(...before, ...after)
    withThem.push(...during)
    frames.push(...latencies)
    ratios.push(median(during) / median([...before, ...after]))
  }
  const seconds = (ROUNDS * SLICE_MS) / 1_000
  return [
    title,
    Math.round(withThem.length / seconds).toLocaleString('en'),
    Math.round(frames.length / seconds).toLocaleString('en'),
    ms(percentile(frames, 0.5)),
    ms(percentile(frames, 0.99)),
    `${ms(median(without))} → ${ms(median(withThem))}`,
    `${ms(percentile(without, 0.99))} → ${ms(percentile(withThem, 0.99))}`,
    median(ratios).toFixed(2),
  ]
}

/** Posts through one server and takes the frames of another; milliseconds from `createdAt`. */
async function measureBetween(from: string, to: string, accountId: string): Promise<number[]> {
  const subscriber = await openSubscriber(to)
  subscriber.subscribe(accountId)
  await sleep(1_000)
  const latencies: number[] = []
  onFrame = (latencyMs) => latencies.push(latencyMs)
  for (let count = 0; count < 300; count++) {
    await deposit(from, accountId)
    await sleep(20)
  }
  subscriber.close()
  if (latencies.length !== 300) throw new Error(`${latencies.length} frames of 300`)
  return latencies
}

const bench = await openBenchServer()
const url = await bench.createDatabase('bench_feed')
const client = new pg.Client({ connectionString: url })
await client.connect()
const { rows: users } = await client.query<{ id: string }>(
  `insert into users (id, email) select gen_random_uuid(), 'account' || number || '@example.com' from generate_series(1, $1) number returning id`,
  [SUBSCRIBERS],
)
await client.query('vacuum analyze')
await client.end()
const accounts = users.map(({ id }) => id)
const authorization = `Bearer ${await makeToken(url)}`
const { child, address } = await startServe({ DATABASE_URL: url, ...LIMITS })
const other = await startServe({ DATABASE_URL: url, ...LIMITS })
try {
  console.log(`PostgreSQL ${bench.version}, Node ${process.version}; ${ROUNDS} rounds of ${SLICE_MS / 1_000} s a slice`)
  const pid = child.pid as number
  const idleBefore = usage(pid)
  const subscribers: Subscriber[] = []
  for (let count = 0; count < SUBSCRIBERS; count++) subscribers.push(await openSubscriber(address))
  for (const [index, subscriber] of subscribers.entries()) subscriber.subscribe(accounts[index] as string)
  await sleep(2_000)
  const idle = usage(pid)
  await sleep(10_000)
  const later = usage(pid)
  for (const subscriber of subscribers) subscriber.unsubscribe()
  await sleep(1_000)
  console.log(
    `\n${SUBSCRIBERS} idle subscribers, each on a socket of its own: ${((idle.memoryMiB - idleBefore.memoryMiB) * (1_024 / SUBSCRIBERS)).toFixed(0)} KiB of the server's memory each, ${((later.cpuSeconds - idle.cpuSeconds) / 0.1).toFixed(1)} % of a core for all of them\n`,
  )
  const random = () => accounts[Math.floor(Math.random() * accounts.length)] as string
  const [hot] = accounts as [string]
  const rows = [
    await measure(
      `${SUBSCRIBERS} on as many accounts`,
      address,
      subscribers,
      (index) => accounts[index] as string,
      1_000,
      random,
    ),
    await measure(
      `${SUBSCRIBERS} on one account`,
      address,
      subscribers,
      () => hot,
      20,
      () => hot,
    ),
  ]
  console.log(
    table(
      ['subscribers', 'entries/s', 'frames/s', 'frame p50 ms', 'p99 ms', 'posting p50 ms', 'p99 ms', 'p50 ratio'],
      rows,
    ),
  )
  for (const subscriber of subscribers) subscriber.close()
  const between = await measureBetween(address, other.address, hot)
  console.log(
    `\nFrom one server process to a subscriber of another, one entry at a time: p50 ${ms(median(between))} ms, p99 ${ms(percentile(between, 0.99))} ms, longest ${ms(Math.max(...between))} ms`,
  )
} finally {
  agent.destroy()
  for (const each of [child, other.child]) {
    each.kill('SIGTERM')
    await once(each, 'exit')
  }
  await bench.close()
}
