import { type CollectFunction, Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Auth } from '../../auth/auth.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { BATCH_SIZES } from '../../ledger/model/posting-counts.ts'
import type { RequestRecord, Result } from '../request-record.ts'
import { PlainHistogram } from './plain-histogram.ts'

export interface Metrics {
  contentType: string
  /** In the text format of Prometheus. */
  read(): Promise<string>
  /** A request to GraphQL, or an operation on a socket, has ended. */
  noteRequest(record: RequestRecord, result: Result, durationMs: number): void
}

/** What the server itself counts, in plain numbers. */
export interface ServerCounts {
  /** Connections that are open, WebSockets included. */
  connections(): number
  requestsInFlight(): number
  unreadBytes(): number
  sockets(): number
  /** Sockets that were closed, by code. */
  closedSockets(): ReadonlyMap<string, number>
  /** Subscriptions that run, by transport. */
  subscriptions(): Readonly<Record<string, number>>
  logLinesLeftOut(): number
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/** From fast queries on an idle machine to the deadline of operations. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * What an operator's monitoring reads: docs/operations.md has the list. Almost all of it is counted in plain numbers by
 * whoever does the work, and looked up when it is asked for. Labels are words of ours, never of clients.
 */
export function createMetrics(ledger: Ledger, auth: Auth, server: ServerCounts = NO_COUNTS): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const { posting, feed, transactionFeed, attempts } = ledger
  const gauge = (name: string, help: string, labelNames: string[], read: () => readonly Sample[]) => {
    const collect: CollectFunction<Gauge> = function () {
      this.reset()
      for (const [labels, value] of read()) this.set(labels, value)
    }
    return new Gauge({ name: `thesaurum_${name}`, help, labelNames, registers: [registry], collect })
  }
  const counter = (name: string, help: string, labelNames: string[], read: () => readonly Sample[]) => {
    const collect: CollectFunction<Counter> = function () {
      this.reset()
      for (const [labels, value] of read()) this.inc(labels, value)
    }
    return new Counter({ name: `thesaurum_${name}`, help, labelNames, registers: [registry], collect })
  }
  const one = (value: number): readonly Sample[] => [[{}, value]]

  const requests = new RequestCounts()
  counter('requests_total', 'Requests and operations.', ['transport', 'type', 'result'], () => requests.samples())
  const durations = new Map(['query', 'mutation', 'none'].map((type) => [type, new Durations(type)]))
  registry.registerMetric(
    new PlainHistogram({
      name: 'thesaurum_request_duration_seconds',
      help: 'How long requests and operations took; without subscriptions.',
      labelNames: ['type'],
      bounds: DURATION_BUCKETS,
      read: () => [...durations.values()],
    }),
  )

  counter('postings_total', 'Postings that were answered.', ['kind', 'outcome'], () =>
    posting.counts.outcomes().map(({ kind, outcome, count }) => [{ kind, outcome }, count]),
  )
  gauge('postings_unanswered', 'Postings that wait for their answer.', [], () => one(posting.unansweredCount))
  registry.registerMetric(
    new PlainHistogram({
      name: 'thesaurum_posting_batch_size',
      help: 'Postings in one database transaction.',
      bounds: BATCH_SIZES,
      read: () => [{ counts: posting.counts.batchSizes, sum: posting.counts.postings }],
    }),
  )
  counter('posting_retries_total', 'Calls tried again after their batch failed.', [], () => one(posting.counts.retries))
  counter('posting_unknown_outcomes_total', 'Batches whose COMMIT was not answered.', [], () =>
    one(posting.counts.unknownOutcomes),
  )
  counter('posting_lock_waits_total', 'Calls that waited for a locked account.', [], () =>
    one(posting.counts.lockWaits),
  )
  counter('failed_attempts_lost_total', 'Failed attempts that could not be recorded.', [], () => one(attempts.lost))
  counter('failed_attempts_skipped_total', 'Failed attempts beyond the bound of a viewer.', [], () =>
    one(attempts.skipped),
  )

  const pools = () => [...ledger.poolUse(), ...auth.poolUse()]
  gauge('pool_connections', 'Connections to the database.', ['pool', 'state'], () =>
    pools().flatMap(({ name, idle, busy }): Sample[] => [
      [{ pool: name, state: 'idle' }, idle],
      [{ pool: name, state: 'busy' }, busy],
    ]),
  )
  gauge('pool_waiting', 'Work that waits for a connection.', ['pool'], () =>
    pools().map(({ name, waiting }) => [{ pool: name }, waiting]),
  )
  counter('sign_ins_total', 'Attempts to sign in.', ['result'], () =>
    Object.entries(auth.signIns).map(([result, count]) => [{ result }, count]),
  )

  gauge('connections', 'Open connections, WebSockets included.', [], () => one(server.connections()))
  gauge('requests_in_flight', 'HTTP requests that are being answered, this one included.', [], () =>
    one(server.requestsInFlight()),
  )
  gauge(
    'unread_bytes',
    'Bytes that wait for clients: answers that they do not read, and bodies that they have not sent completely.',
    [],
    () => one(server.unreadBytes()),
  )
  gauge('sockets', 'Open WebSockets.', [], () => one(server.sockets()))
  counter('sockets_closed_total', 'WebSockets that were closed.', ['code'], () =>
    [...server.closedSockets()].map(([code, count]) => [{ code }, count]),
  )
  gauge('subscriptions', 'Running subscriptions.', ['transport'], () =>
    Object.entries(server.subscriptions()).map(([transport, count]) => [{ transport }, count]),
  )
  gauge('account_subscribers', 'Subscribers of accounts.', [], () => one(feed.subscriberCount))
  gauge('ledger_subscribers', 'Subscribers of the whole ledger.', [], () => one(transactionFeed.subscriberCount))
  gauge('watched_tokens', 'Subscriptions and sockets that end with their session.', [], () =>
    one(auth.authenticator.watcherCount),
  )
  gauge('feed_lag_seconds', 'For how long live subscribers may have missed something.', ['feed'], () => [
    [{ feed: 'accounts' }, feed.lagMs / 1_000],
    [{ feed: 'ledger' }, transactionFeed.lagMs / 1_000],
  ])
  counter('log_lines_left_out_total', 'Lines about errors that were not written.', [], () =>
    one(server.logLinesLeftOut()),
  )

  return {
    contentType: registry.contentType,
    read: () => registry.metrics(),
    noteRequest({ transport, type = 'none' }, result, durationMs) {
      requests.add(transport, type, result)
      durations.get(type)?.add(durationMs / 1_000)
    },
  }
}

/** How long requests of one type took. */
class Durations {
  readonly labels: Readonly<Record<string, string>>
  readonly counts: number[] = Array(DURATION_BUCKETS.length + 1).fill(0)
  sum = 0

  constructor(type: string) {
    this.labels = { type }
  }

  add(seconds: number): void {
    let place = 0
    while (seconds > (DURATION_BUCKETS[place] ?? Number.POSITIVE_INFINITY)) place++
    this.counts[place] = (this.counts[place] ?? 0) + 1
    this.sum += seconds
  }
}

/** Requests by transport, type and result: a number that goes up costs a tenth of a counter with labels. */
class RequestCounts {
  readonly #counts = new Map<string, { labels: Readonly<Record<string, string>>; count: number }>()

  add(transport: string, type: string, result: string): void {
    const key = `${transport} ${type} ${result}`
    const known = this.#counts.get(key)
    if (known) known.count++
    else this.#counts.set(key, { labels: { transport, type, result }, count: 1 })
  }

  samples(): Sample[] {
    return [...this.#counts.values()].map(({ labels, count }) => [labels, count])
  }
}

const NO_COUNTS: ServerCounts = {
  connections: () => 0,
  requestsInFlight: () => 0,
  unreadBytes: () => 0,
  sockets: () => 0,
  closedSockets: () => new Map(),
  subscriptions: () => ({}),
  logLinesLeftOut: () => 0,
}
