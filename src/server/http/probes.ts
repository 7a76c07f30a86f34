import type { IncomingMessage, ServerResponse } from 'node:http'
import { runsLedger } from '../../auth/model/viewer.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Caller } from '../../schema/context.ts'
import { answer, answerError } from './answer.ts'
import { BAD_TOKEN } from './bearer.ts'
import { isHealthy } from './health.ts'
import type { Metrics } from './metrics.ts'
import type { Readiness } from './readiness.ts'

/* What machines ask: whether the server lives, whether it is to be sent requests, and how much it does. */

export interface ProbeOptions {
  ledger: Ledger
  metrics: Metrics
  readiness: Readiness
  /** Who sends a request, from what its header Authorization shows. */
  authenticate: (request: IncomingMessage) => Caller | typeof BAD_TOKEN | Promise<Caller | typeof BAD_TOKEN>
  /** Called when the caller of a request could not be authenticated. */
  onError: (error: unknown) => void
}

export const PROBES: ReadonlyMap<
  string,
  (request: IncomingMessage, response: ServerResponse, options: ProbeOptions) => Promise<void>
> = new Map([
  // Whoever restarts the server goes by it: a database that is away is no reason to.
  ['livez', async (_request, response) => answerJson(response, 200, { status: 'ok' })],
  ['readyz', (_request, response, { readiness }) => answerReadiness(response, readiness)],
  ['health', (_request, response, { ledger }) => answerHealth(response, ledger)],
  ['metrics', answerMetrics],
])

async function answerReadiness(response: ServerResponse, readiness: Readiness): Promise<void> {
  const obstacle = await readiness.obstacle()
  if (obstacle === undefined) answerJson(response, 200, { status: 'ok' })
  else answerJson(response, 503, { status: 'unavailable', failing: obstacle })
}

async function answerHealth(response: ServerResponse, ledger: Ledger): Promise<void> {
  const healthy = await isHealthy(ledger)
  answerJson(response, healthy ? 200 : 503, { status: healthy ? 'ok' : 'unavailable' })
}

/** For whoever runs the ledger. */
async function answerMetrics(request: IncomingMessage, response: ServerResponse, options: ProbeOptions): Promise<void> {
  const caller = await Promise.resolve(options.authenticate(request)).catch((): typeof BAD_TOKEN => BAD_TOKEN)
  if (caller === BAD_TOKEN || !runsLedger(caller.viewer)) {
    response.setHeader('www-authenticate', 'Bearer')
    return answerError(
      response,
      'UNAUTHENTICATED',
      "Metrics need an operator's token: send it in the header `Authorization: Bearer <token>`.",
    )
  }
  const metrics = await options.metrics.read().catch(options.onError)
  if (metrics === undefined) return answer(response, 500, 'The metrics could not be read. The log says why.')
  response.writeHead(200, { 'content-type': options.metrics.contentType }).end(metrics)
}

function answerJson(response: ServerResponse, status: number, body: Readonly<Record<string, string>>): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}
