import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { openAuth } from '../auth/auth.ts'
import { type Config, isOn } from '../config.ts'
import { openCleaner } from '../db/cleaner.ts'
import { openLedger } from '../ledger/ledger.ts'
import { opening, type Releasers } from '../releasers.ts'
import type { Caller } from '../schema/context.ts'
import { BoundedLog } from './bounded-log.ts'
import { loadDemoData } from './demo.ts'
import { openOperatorToken } from './graphiql/operator-token.ts'
import { createGraphiqlPage } from './graphiql/page.ts'
import { WELCOME_QUERY } from './graphiql/welcome-query.ts'
import { maskError } from './graphql/masked-errors.ts'
import { readPersistedOperations } from './graphql/persisted-operations.ts'
import { createGraphql, GRAPHQL_PATH } from './graphql/yoga.ts'
import { callerOf } from './http/bearer.ts'
import { isLocal } from './http/client-address.ts'
import { Connections, connectionLimits } from './http/connections.ts'
import { createHttpServer } from './http/http.ts'
import { createMetrics } from './http/metrics.ts'
import { Readiness } from './http/readiness.ts'
import type { HttpRequest } from './http-request.ts'
import { authOptions, cleanerOptions, ledgerOptions } from './options.ts'
import { RequestLog } from './request-log.ts'
import { passOverOffers } from './websocket/upgrade-offers.ts'
import { openWebSocket } from './websocket/websocket.ts'

export interface RunningServer {
  /** Where it listens, as in `http://localhost:4000`. */
  address: string
  /** Where the demo operator's token is, in development. */
  operatorTokenPath: string | null
  /** Lets running operations end, sends subscribers away so that they come back, and frees everything. */
  close(): Promise<void>
}

/**
 * Connections that wait to be taken. With Node's 511, of a thousand clients that come at once some are not heard, and try
 * again after one, three or seven seconds. The kernel has a limit of its own, net.core.somaxconn.
 */
const BACKLOG = 4_096

/** How long operations in flight may take to end when the server is closed. */
const DRAIN_MS = 10_000

/**
 * Opens the server on a database that is migrated already. In development it loads demo data into an empty ledger.
 *
 * @param countsRequests false: requests are not counted, which a benchmark compares with.
 */
export function openServer(
  config: Config,
  url: string,
  logger: Logger,
  options: { countsRequests?: boolean } = {},
): Promise<RunningServer> {
  return opening((releasers) => openInSteps(releasers, config, url, logger, options))
}

async function openInSteps(
  releasers: Releasers,
  config: Config,
  url: string,
  logger: Logger,
  { countsRequests = true }: { countsRequests?: boolean },
): Promise<RunningServer> {
  const persistedOperations =
    config.PERSISTED_OPERATIONS === undefined ? undefined : await readPersistedOperations(config.PERSISTED_OPERATIONS)
  const errors = new BoundedLog(logger)
  releasers.add(() => errors.close())
  const onError = (what: string) => (error: unknown) => errors.writeError('error', { err: error }, what)
  const ledger = await openLedger(ledgerOptions(config, url, onError('the ledger reported an error')))
  releasers.add(() => ledger.close())
  const auth = await openAuth(authOptions(config, url, onError('tokens could not be checked')))
  releasers.add(() => auth.close())
  const cleaner = openCleaner(cleanerOptions(config, url, onError('expired rows could not be deleted')))
  releasers.add(() => cleaner.close())
  const isProduction = config.NODE_ENV === 'production'
  const connections = new Connections(connectionLimits(config))
  releasers.add(() => connections.close())
  const metrics = createMetrics(ledger, auth, {
    connections: () => connections.count,
    requestsInFlight: () => connections.requestCount,
    unreadBytes: () => connections.unreadBytes,
    sockets: () => webSocket.counts.openCount,
    closedSockets: () => webSocket.counts.closedCounts,
    subscriptions: () => log.subscriptions,
    logLinesLeftOut: () => errors.leftOut,
  })
  const log = new RequestLog({ logger, errors, ...(countsRequests && { onEnd: metrics.noteRequest }) })
  const readiness = new Readiness(ledger)
  const authenticate = (request: IncomingMessage, authorization: unknown) =>
    callerOf(request, authorization, auth.authenticator, config.TRUSTED_PROXY_COUNT)
  let operator: { token: string; path: string } | undefined
  const tokenHint = () => (operator ? ` In development the demo operator's token is in ${operator.path}.` : '')
  const graphql = createGraphql({
    ledger,
    auth,
    log,
    persistedOperations,
    callerOf: (request) => (request as HttpRequest).caller as Caller,
    tokenHint,
    tellsStatements: !isProduction,
    introspection: isOn(config, 'INTROSPECTION'),
    subscriptionsPerViewerMax: config.SUBSCRIPTIONS_PER_VIEWER_MAX,
    operationDeadlineMs: config.OPERATION_DEADLINE_MS,
    userCostMax: config.USER_COST_MAX,
    operatorCostMax: config.OPERATOR_COST_MAX,
  })
  const graphiql = createGraphiqlPage({
    endpoint: GRAPHQL_PATH,
    title: 'Thesaurum',
    defaultQuery: WELCOME_QUERY,
    onFault: onError('GraphiQL failed'),
  })
  const http = createHttpServer({
    log,
    connections,
    ledger,
    graphql,
    metrics,
    readiness,
    graphiql: isOn(config, 'GRAPHIQL') ? graphiql : null,
    visitorOf: (request) =>
      operator && isLocal(request) && request.headers.origin === undefined
        ? { headers: JSON.stringify({ authorization: `Bearer ${operator.token}` }, null, 2) }
        : {},
    authenticate: (request) => authenticate(request, request.headers.authorization),
    tokenHint,
    admit: (request, caller) => {
      request.caller = caller
      connections.of(request.socket).caller = caller
    },
    onError: onError('a caller could not be authenticated'),
    allowedOrigins: config.ALLOWED_ORIGINS,
    bodyBytesMax: config.BODY_BYTES_MAX,
    keepAliveMs: config.KEEP_ALIVE_MS,
    fastPath: true,
    maskError,
    isProduction,
  })
  passOverOffers(http, connections)
  const webSocket = openWebSocket(http, graphql, {
    log,
    connections,
    authenticator: auth.authenticator,
    authenticate,
    allowedOrigins: config.ALLOWED_ORIGINS,
    persistedOperations,
    onError: onError('a caller could not be authenticated'),
    onSocketError: (error, requestId) => errors.write('warn', { requestId, err: error }, 'a socket failed'),
    subscriptionsMax: config.SUBSCRIPTIONS_PER_SOCKET_MAX,
    socketsPerViewerMax: config.SOCKETS_PER_VIEWER_MAX,
  })
  // `close` below has closed it already. Closing it again is harmless.
  releasers.add(() => webSocket.close())
  if (config.NODE_ENV === 'development') {
    await loadDemoData(ledger)
    operator = await openOperatorToken(auth, config.DATA_DIR)
  }
  if (isProduction) await auth.operators.endDemoSessions()
  await listen(http, config)

  return {
    address: addressOf(http.address() as AddressInfo),
    operatorTokenPath: operator?.path ?? null,
    async close() {
      readiness.shutDown()
      // A load balancer looks every few seconds, and goes on sending until it has seen that.
      if (config.SHUTDOWN_DELAY_MS > 0) await sleep(config.SHUTDOWN_DELAY_MS)
      const closed = new Promise((resolve) => http.close(resolve))
      await webSocket.close()
      // Before the feed: otherwise event streams would send that their subscription has ended.
      connections.leave()
      ledger.feed.close()
      ledger.transactionFeed.close()
      const timer = setTimeout(() => http.closeAllConnections(), DRAIN_MS)
      await closed
      clearTimeout(timer)
      await releasers.release()
    },
  }
}

/** Rejects as `listen` does, also where the name of the host is not known. */
async function listen(http: Server, { PORT, HOST }: Config): Promise<void> {
  http.listen({ port: PORT, host: HOST, backlog: BACKLOG })
  await once(http, 'listening').catch((error) => {
    throw Object.assign(error, { syscall: 'listen', address: HOST })
  })
}

function addressOf({ address, family, port }: AddressInfo): string {
  const isLocal = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(address)
  const host = isLocal ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
  return `http://${host}:${port}`
}
