import type { AuthOptions } from '../auth/auth.ts'
import { authRetentionRules } from '../auth/model/retention.ts'
import type { Config } from '../config.ts'
import type { CleanerOptions } from '../db/cleaner.ts'
import { shareConnections } from '../db/connection-shares.ts'
import type { LedgerOptions } from '../ledger/ledger.ts'
import { ledgerRetentionRules } from '../ledger/model/retention.ts'

/* What each part takes from the configuration. A file of its own, so that a command loads only the parts that it uses. */

/** The part of the configuration that the ledger needs. */
export function ledgerOptions(config: Config, url: string, onError: LedgerOptions['onError']): LedgerOptions {
  return {
    url,
    directUrl: config.DIRECT_DATABASE_URL ?? url,
    connections: shareConnections(config.DATABASE_CONNECTIONS_MAX),
    onError,
    preparedStatements: config.PREPARED_STATEMENTS === 'on',
    operationDeadlineMs: config.OPERATION_DEADLINE_MS,
    clockAheadMaxMs: config.CLOCK_AHEAD_MAX_MS,
    batchSizeMax: config.BATCH_SIZE_MAX,
    queueLengthMax: config.QUEUE_LENGTH_MAX,
    batchLockWaitMs: config.BATCH_LOCK_WAIT_MS,
    filterScanMax: config.FILTER_SCAN_MAX,
    failedTransactionsPerHourMax: config.FAILED_TRANSACTIONS_PER_HOUR_MAX,
  }
}

/** The part of the configuration that sign-in needs. */
export function authOptions(config: Config, url: string, onError: AuthOptions['onError']): AuthOptions {
  return {
    url,
    connections: shareConnections(config.DATABASE_CONNECTIONS_MAX),
    onError,
    preparedStatements: config.PREPARED_STATEMENTS === 'on',
    answerTimeoutMs: config.OPERATION_DEADLINE_MS + 1_000,
    sessions: { idleTimeoutMs: config.SESSION_IDLE_MS, lifetimeMs: config.SESSION_LIFETIME_MS },
  }
}

/** The part of the configuration that the cleaner needs. */
export function cleanerOptions(config: Config, url: string, onError: CleanerOptions['onError']): CleanerOptions {
  return {
    url,
    onError,
    preparedStatements: config.PREPARED_STATEMENTS === 'on',
    answerTimeoutMs: config.OPERATION_DEADLINE_MS + 1_000,
    rules: [
      ...authRetentionRules({
        sessionDays: config.SESSION_RETENTION_DAYS,
        apiTokenDays: config.API_TOKEN_RETENTION_DAYS,
      }),
      ...ledgerRetentionRules({ failedTransactionDays: config.FAILED_TRANSACTION_RETENTION_DAYS }),
    ],
  }
}
