import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Auth } from '../auth/auth.ts'
import type { Ledger } from '../ledger/ledger.ts'

export interface Metrics {
  contentType: string
  /** In the text format of Prometheus. */
  read(): Promise<string>
}

/**
 * What an operator's monitoring reads: of the process (memory, event loop, collections of garbage), and how much is waiting or
 * watching. All of it is looked up when it is asked for: requests pay nothing for it.
 */
export function createMetrics(ledger: Ledger, auth: Auth): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `thesaurum_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  gauge('postings_unanswered', 'Postings that wait for their answer.', () => ledger.posting.unansweredCount)
  gauge('account_subscribers', 'Subscribers of accounts.', () => ledger.feed.subscriberCount)
  gauge('ledger_subscribers', 'Subscribers of the whole ledger.', () => ledger.transactionFeed.subscriberCount)
  gauge(
    'watched_tokens',
    'Subscriptions and sockets that end with their session.',
    () => auth.authenticator.watcherCount,
  )
  return { contentType: registry.contentType, read: () => registry.metrics() }
}
