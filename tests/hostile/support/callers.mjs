import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

/*
 * A thread of callers of its own event loop. Each caller sends one POST after another on a connection that it keeps, and pauses in
 * between. `KEY` in the body stands for a new UUID each time. A message `take` is answered with the figures since the message before;
 * `stop` is answered when no call is under way any more.
 */

const { url, token, body, parallel, pauseMs } = workerData
const agent = new Agent({ keepAlive: true, maxSockets: parallel })
let latenciesMs = []
/** How often each error code or type name was answered. */
let answers = {}
let failures = 0
let calling = true

const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
const call = () =>
  new Promise((resolve) => {
    const text = body.replaceAll('KEY', () => randomUUID())
    const sent = request(
      url,
      { agent, method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(text) } },
      (response) => {
        let answer = ''
        response.setEncoding('utf8')
        response.on('data', (data) => {
          answer += data
        })
        response.once('end', () => resolve(answer))
        response.once('error', () => resolve(undefined))
      },
    )
    sent.once('error', () => resolve(undefined))
    sent.end(text)
  })

parentPort.on('message', (message) => {
  if (message === 'stop') {
    calling = false
    return
  }
  parentPort.postMessage({ latenciesMs, answers, failures })
  latenciesMs = []
  answers = {}
  failures = 0
})

await Promise.all(
  Array.from({ length: parallel }, async () => {
    while (calling) {
      const startedAt = performance.now()
      const answer = await call()
      if (answer === undefined) failures++
      else {
        latenciesMs.push(performance.now() - startedAt)
        for (const [, code] of answer.matchAll(/"(?:code|__typename)":"(\w+)"/g))
          answers[code] = (answers[code] ?? 0) + 1
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }),
)
agent.destroy()
parentPort.postMessage({ latenciesMs, answers, failures })
parentPort.close()
