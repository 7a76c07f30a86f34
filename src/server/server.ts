import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { tellDemoStory } from '../ledger/demo.ts'
import { type LedgerOptions, openLedger } from '../ledger/ledger.ts'
import { createGraphiqlPage } from './graphiql.ts'
import { createGraphql, GRAPHQL_PATH } from './graphql.ts'
import { createHttpServer } from './http.ts'
import { watchAnswers } from './shutdown.ts'
import { cutStalledStreams } from './stalled-streams.ts'
import { openWebSocket } from './websocket.ts'
import { WELCOME_QUERY } from './welcome.ts'

export interface RunningServer {
  /** Where it listens, as in `http://localhost:4000`. */
  address: string
  /** Lets running operations end, sends subscribers away so that they come back, and frees everything. */
  close(): Promise<void>
}

/** How long operations in flight may take to end when the server is closed. */
const DRAIN_MS = 10_000

/** The part of the configuration that the ledger needs. */
export function ledgerOptions(config: Config, url: string, onTrouble: LedgerOptions['onTrouble']): LedgerOptions {
  return {
    url,
    directUrl: config.DIRECT_DATABASE_URL ?? url,
    onTrouble,
    preparedStatements: config.PREPARED_STATEMENTS === 'on',
    operationDeadlineMs: config.OPERATION_DEADLINE_MS,
    clockAheadMaxMs: config.CLOCK_AHEAD_MAX_MS,
    batchSizeMax: config.BATCH_SIZE_MAX,
    queueLengthMax: config.QUEUE_LENGTH_MAX,
    batchLockWaitMs: config.BATCH_LOCK_WAIT_MS,
    filterScanMax: config.FILTER_SCAN_MAX,
  }
}

/**
 * Opens the server on a database that is migrated already. In development an empty ledger is told a demo story.
 */
export async function openServer(config: Config, url: string, logger: Logger): Promise<RunningServer> {
  const ledger = await openLedger(
    ledgerOptions(config, url, (error) => logger.error({ err: error }, 'the ledger is in trouble')),
  )
  const graphql = createGraphql(ledger, logger, { tellsStatements: config.NODE_ENV !== 'production' })
  const graphiql = createGraphiqlPage({
    endpoint: GRAPHQL_PATH,
    title: 'Thesaurum',
    defaultQuery: WELCOME_QUERY,
    onFault: (fault) => logger.error({ err: fault }, 'GraphiQL failed'),
  })
  const http = createHttpServer({ ledger, graphql, graphiql, bodyBytesMax: config.BODY_BYTES_MAX })
  const answers = watchAnswers(http)
  const stopCutting = cutStalledStreams(http)
  const webSocket = openWebSocket(http, graphql, { subscriptionsMax: config.SUBSCRIPTIONS_PER_SOCKET_MAX })
  try {
    if (config.NODE_ENV === 'development') await tellDemoStory(ledger)
    await listen(http, config)
  } catch (error) {
    stopCutting()
    await webSocket.close()
    await ledger.close()
    throw error
  }

  return {
    address: addressOf(http.address() as AddressInfo),
    async close() {
      stopCutting()
      const closed = new Promise((resolve) => http.close(resolve))
      await webSocket.close()
      // Before the feed: the end of a subscription would be told to event streams.
      answers.leave()
      ledger.feed.close()
      ledger.transactionFeed.close()
      const timer = setTimeout(() => http.closeAllConnections(), DRAIN_MS)
      await closed
      clearTimeout(timer)
      await ledger.close()
    },
  }
}

/** Rejects as `listen` does, also where the name of the host is not known. */
async function listen(http: Server, { PORT, HOST }: Config): Promise<void> {
  http.listen(PORT, HOST)
  await once(http, 'listening').catch((error) => {
    throw Object.assign(error, { syscall: 'listen', address: HOST })
  })
}

function addressOf({ address, family, port }: AddressInfo): string {
  const isLocal = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(address)
  const host = isLocal ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
  return `http://${host}:${port}`
}
