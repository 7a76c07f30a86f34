import { get } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

/*
 * A thread that asks one URL again and again, one request at a time, each on a connection of its own, and keeps how long each answer took.
 * It has an event loop of its own, since the test's is busy with the attack. A message ends it; it answers with its figures.
 */

const { url, intervalMs, timeoutMs } = workerData
const latenciesMs = []
let failures = 0
let probing = true

const ask = () =>
  new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode === 200))
      response.once('error', () => resolve(false))
    })
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(false))
  })

parentPort.once('message', () => {
  probing = false
})
while (probing) {
  const startedAt = performance.now()
  if (await ask()) latenciesMs.push(performance.now() - startedAt)
  else failures++
  await new Promise((resolve) => setTimeout(resolve, intervalMs))
}
parentPort.postMessage({ latenciesMs, failures })
