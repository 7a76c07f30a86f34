import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgSchema,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { amount, sequence, time, xid8 } from './columns.ts'
import type { AccountId, TransactionId } from './ids.ts'
import type { Metadata } from './metadata.ts'

/** People and services that sign in. A trigger makes each of them a main account, whose id is theirs. */
export const users = pgTable(
  'users',
  {
    id: uuid('id').primaryKey(),
    email: text('email').notNull(),
    passwordHash: text('password_hash'),
    role: text('role', { enum: ['USER', 'OPERATOR'] })
      .notNull()
      .default('USER'),
    createdAt: time('created_at').notNull().defaultNow(),
    updatedAt: time('updated_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('users_email_unique').on(table.email),
    check('users_role_known', sql`${table.role} in ('USER', 'OPERATOR')`),
  ],
)

/** What money is counted in. Filled with ISO 4217 by a migration. A trigger refuses every change of a row. */
export const currencies = pgTable(
  'currencies',
  {
    code: text('code').primaryKey(),
    /** Digits after the point: an amount of 1234 with a scale of 2 is 12.34. */
    scale: smallint('scale').notNull(),
  },
  (table) => [
    check('currencies_code_form', sql`${table.code} ~ '^[A-Z0-9_]{3,12}$'`),
    check('currencies_scale_range', sql`${table.scale} between 0 and 8`),
  ],
)

/**
 * What holds money. The row is the account's lock. A trigger keeps its owner, and its currency once the ledger has a
 * transaction.
 */
export const accounts = pgTable(
  'accounts',
  {
    id: uuid('id').primaryKey().$type<AccountId>(),
    /** null: a house account. */
    ownerId: uuid('owner_id').references(() => users.id, { onDelete: 'cascade' }),
    currency: text('currency')
      .notNull()
      .references(() => currencies.code),
    /** For whoever holds it. */
    name: text('name'),
    /** For whoever has a transaction with it. */
    publicName: text('public_name'),
    status: text('status', { enum: ['OPEN', 'FROZEN', 'CLOSED'] })
      .notNull()
      .default('OPEN'),
    /** The key of the call that made it; null: it was made with its user. */
    idempotencyKey: uuid('idempotency_key'),
    createdAt: time('created_at').notNull().defaultNow(),
    updatedAt: time('updated_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('accounts_idempotency_key_unique').on(table.idempotencyKey),
    index('accounts_owner').on(table.ownerId, table.id),
    check('accounts_status_known', sql`${table.status} in ('OPEN', 'FROZEN', 'CLOSED')`),
  ],
)

/**
 * The ledger. Append-only: triggers refuse every UPDATE, DELETE and TRUNCATE.
 *
 * A side may be null: see `ledger/model/sides.ts`. The sequences number the entries of each account 1, 2, 3 … over both
 * columns. Their covering unique indexes and the triggers are in the custom migrations, since drizzle-kit cannot express
 * them.
 */
export const transactions = pgTable(
  'transactions',
  {
    id: uuid('id').primaryKey().$type<TransactionId>(),
    idempotencyKey: uuid('idempotency_key').notNull(),
    sourceAccountId: uuid('source_account_id')
      .$type<AccountId>()
      .references(() => accounts.id),
    sourceSequence: sequence('source_sequence'),
    destinationAccountId: uuid('destination_account_id')
      .$type<AccountId>()
      .references(() => accounts.id),
    destinationSequence: sequence('destination_sequence'),
    amount: amount('amount').notNull(),
    createdAt: time('created_at').notNull(),
    recordedXid: xid8('recorded_xid').notNull().default(sql`pg_current_xact_id()`),
    /** The transaction that it takes back, whole or in part. */
    reversesId: uuid('reverses_id')
      .$type<TransactionId>()
      .references((): AnyPgColumn => transactions.id),
    description: text('description'),
    /** An object of texts; null: no metadata. */
    metadata: jsonb('metadata').$type<Metadata>(),
  },
  (table) => [
    uniqueIndex('transactions_idempotency_key_unique').on(table.idempotencyKey),
    // For the ledger-wide feed: one database transaction may have millions of rows, and they are read in this order.
    index('transactions_recorded_xid').on(table.recordedXid, table.createdAt, table.id),
    // The order of the whole ledger. New rows go to its right end, where an index costs least.
    index('transactions_time').on(table.createdAt, table.id),
    check('transactions_amount_positive', sql`${table.amount} > 0`),
    check('transactions_sides_differ', sql`${table.sourceAccountId} <> ${table.destinationAccountId}`),
    // For the sum of a transaction's reversals.
    index('transactions_reversals').on(table.reversesId, table.amount).where(sql`${table.reversesId} is not null`),
    index('transactions_metadata')
      .using('gin', table.metadata.op('jsonb_path_ops'))
      .where(sql`${table.metadata} is not null`),
    check('transactions_source_whole', sql`(${table.sourceAccountId} is null) = (${table.sourceSequence} is null)`),
    check(
      'transactions_destination_whole',
      sql`(${table.destinationAccountId} is null) = (${table.destinationSequence} is null)`,
    ),
    // A row without sides would pass all other checks.
    check('transactions_some_side', sql`num_nonnulls(${table.sourceAccountId}, ${table.destinationAccountId}) > 0`),
    check('transactions_sequences_positive', sql`${table.sourceSequence} > 0 and ${table.destinationSequence} > 0`),
  ],
)

/** What only servers read: checkpoints, failed attempts, sessions. */
export const privateSchema = pgSchema('private')

/** The memoised sum of an account's entries 1 … `sequence`: exact for ever, and droppable without changing an answer. */
export const balanceCheckpoints = privateSchema.table(
  'balance_checkpoints',
  {
    accountId: uuid('account_id')
      .$type<AccountId>()
      .notNull()
      .references(() => accounts.id),
    sequence: sequence('sequence').notNull(),
    balance: amount('balance').notNull(),
    /** `created_at` of the entry it ends with. */
    through: time('through').notNull(),
    transactionId: uuid('transaction_id')
      .$type<TransactionId>()
      .notNull()
      .references(() => transactions.id),
  },
  (table) => [
    primaryKey({ name: 'balance_checkpoints_pkey', columns: [table.accountId, table.sequence] }),
    check('balance_checkpoints_not_negative', sql`${table.balance} >= 0 and ${table.sequence} > 0`),
  ],
)

/** Attempts that were definitely not posted. No foreign keys: an attempt with an unknown account is kept too. */
export const failedTransactions = privateSchema.table(
  'failed_transactions',
  {
    id: uuid('id').primaryKey(),
    idempotencyKey: uuid('idempotency_key').notNull(),
    sourceAccountId: uuid('source_account_id').$type<AccountId>(),
    destinationAccountId: uuid('destination_account_id').$type<AccountId>(),
    amount: amount('amount').notNull(),
    code: text('code').notNull(),
    message: text('message').notNull(),
    attempts: integer('attempts').notNull(),
    failedAt: time('failed_at').notNull().defaultNow(),
    addressedAt: time('addressed_at'),
  },
  (table) => [
    index('failed_transactions_source').on(table.sourceAccountId, table.id),
    index('failed_transactions_destination').on(table.destinationAccountId, table.id),
    check('failed_transactions_attempts_positive', sql`${table.attempts} > 0`),
  ],
)

/** One row. The era is carried by every cursor and renewed after a restore, so that an old cursor is never misread. */
export const ledger = privateSchema.table(
  'ledger',
  {
    single: boolean('single').primaryKey().default(true),
    era: uuid('era').notNull(),
    /** The currency of accounts that are made without naming one. */
    currency: text('currency')
      .notNull()
      .references(() => currencies.code),
  },
  (table) => [check('ledger_single', sql`${table.single}`)],
)
