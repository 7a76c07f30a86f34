import { eq, sql } from 'drizzle-orm'
import type pg from 'pg'
import { type AccountId, toAccountId } from '../../db/ids.ts'
import type { Database } from '../../db/pool.ts'
import { accounts, currencies, ledger, users } from '../../db/tables.ts'
import { inTransaction } from '../../db/transaction.ts'
import { type Account, type AccountStatus, accountColumns } from '../model/account.ts'
import {
  ACCOUNTS_PER_OWNER_MAX,
  type AccountCreation,
  type AccountNames,
  type NewAccount,
  type NewAccountField,
  type StatusChange,
} from '../model/account-changes.ts'
import { makeRowId } from '../model/row-id.ts'
import { lockAccounts } from '../statements/lock-accounts.ts'
import { readAccounts } from '../statements/read-accounts.ts'
import { readHeads } from '../statements/read-heads.ts'
import { KeyTakenError } from './batch.ts'
import { retrying } from './retry.ts'

export interface AccountChangesOptions {
  pool: pg.Pool
  /** How long one change may take, attempts and pauses together. */
  deadlineMs: number
}

/** The longest time that an attempt waits for a lock, and holds a connection. Then it pauses without one. */
const LOCK_WAIT_MAX_MS = 250

/**
 * Creates accounts, and changes them under the lock that postings take. Each change is one database transaction, and is tried
 * again when a failure may pass, as a posting is.
 *
 * So of a posting and a change of the status, one comes first: a posting that has the lock is committed before the change is,
 * and one that gets the lock later sees the new status, in whatever process.
 *
 * An account has one change of its names under way in a process. Holders may send many, and an operator's freeze must not
 * wait for all of them.
 */
export class AccountChanges {
  readonly #options: AccountChangesOptions
  /** The last change of names that each account waits for. */
  readonly #renaming = new Map<AccountId, Promise<unknown>>()
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(options: AccountChangesOptions) {
    this.#options = options
  }

  /**
   * Creates an account. A repeat with the same key returns the account as it is now.
   *
   * @throws {UnavailableError} when it could not be done in time, or its outcome is unknown.
   */
  create(values: NewAccount): Promise<AccountCreation> {
    const id = toAccountId(makeRowId())
    const creating = this.#change(async (tx): Promise<AccountCreation> => {
      // The lock keeps other calls from counting the accounts of this owner until this one is committed.
      const isOwned = values.ownerId === null || (await lockOwner(tx, values.ownerId))
      const currency = values.currency ?? (await ledgerCurrency(tx))
      const earlier = await findByKey(tx, values.idempotencyKey)
      if (earlier) {
        const differingFields = differences({ ...values, currency }, earlier)
        return differingFields.length > 0 ? { refusal: 'IDEMPOTENCY_CONFLICT', differingFields } : { account: earlier }
      }
      if (!isOwned) return { refusal: 'USER_NOT_FOUND' }
      if (!(await isCurrency(tx, currency))) return { refusal: 'CURRENCY_NOT_FOUND' }
      if (values.ownerId !== null && (await countOwned(tx, values.ownerId)) >= ACCOUNTS_PER_OWNER_MAX)
        return { refusal: 'TOO_MANY_ACCOUNTS' }
      const inserted = await tx
        .insert(accounts)
        .values({ ...values, id, currency })
        .onConflictDoNothing({ target: accounts.idempotencyKey })
        .returning({ id: accounts.id })
      if (inserted.length === 0) throw new KeyTakenError('an idempotency key was taken meanwhile')
      return { account: await read(tx, id) }
    })
    return this.#untilAnswered(creating)
  }

  /**
   * Changes the names of an account.
   *
   * @returns the changed account, or undefined if it does not exist.
   * @throws {UnavailableError} as `create` does.
   */
  rename(id: AccountId, names: AccountNames): Promise<Account | undefined> {
    const before = this.#renaming.get(id) ?? Promise.resolve()
    const deadlineAt = performance.now() + this.#options.deadlineMs
    const renaming = before.then(() => this.#rename(id, names, deadlineAt))
    const settled = renaming
      .catch(() => {})
      .finally(() => {
        if (this.#renaming.get(id) === settled) this.#renaming.delete(id)
      })
    this.#renaming.set(id, settled)
    return this.#untilAnswered(renaming)
  }

  #rename(id: AccountId, { name, publicName }: AccountNames, deadlineAt: number): Promise<Account | undefined> {
    return this.#change(async (tx) => {
      const [locked] = await lockAccounts(tx).execute({ ids: [id] })
      if (!locked) return undefined
      const account = await read(tx, id)
      const names = {
        name: name === undefined ? account.name : name,
        publicName: publicName === undefined ? account.publicName : publicName,
      }
      if (names.name === account.name && names.publicName === account.publicName) return account
      return write(tx, id, names)
    }, deadlineAt)
  }

  /**
   * Opens, freezes or closes an account. After it has resolved, no posting of any process goes by the status before.
   *
   * @throws {UnavailableError} as `create` does.
   */
  setStatus(id: AccountId, status: AccountStatus): Promise<StatusChange> {
    const changing = this.#change(async (tx): Promise<StatusChange> => {
      const [locked] = await lockAccounts(tx).execute({ ids: [id] })
      if (!locked) return { refusal: 'ACCOUNT_NOT_FOUND' }
      if (locked.status === status) return { account: await read(tx, id) }
      if (status === 'CLOSED') {
        // A statement of its own, after the lock: it sees every posting that had the lock before.
        const [head] = await readHeads(tx).execute({ ids: [id] })
        if (head && head.balance !== 0n) {
          const { balance: amount, lastSequence: sequence, createdAt: asOf } = head
          return { refusal: 'ACCOUNT_NOT_EMPTY', balance: { accountId: id, amount, sequence, asOf } }
        }
      }
      return { account: await write(tx, id, { status }) }
    })
    return this.#untilAnswered(changing)
  }

  /** Resolves when every change is answered. New ones are still accepted. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
  }

  async #untilAnswered<Result>(change: Promise<Result>): Promise<Result> {
    this.#underWay.add(change)
    return change.finally(() => this.#underWay.delete(change))
  }

  #change<Result>(
    work: (tx: Database) => Promise<Result>,
    deadlineAt = performance.now() + this.#options.deadlineMs,
  ): Promise<Result> {
    const { pool, deadlineMs } = this.#options
    return retrying(deadlineAt, (leftMs) =>
      inTransaction(
        pool,
        {
          // It fires first: its error says what the cause is.
          lockTimeoutMs: Math.min(LOCK_WAIT_MAX_MS, leftMs - 10),
          statementTimeoutMs: leftMs,
          idleTimeoutMs: deadlineMs,
        },
        work,
      ),
    )
  }
}

async function lockOwner(tx: Database, ownerId: string): Promise<boolean> {
  const locked = await tx.select({ id: users.id }).from(users).where(eq(users.id, ownerId)).for('no key update')
  return locked.length === 1
}

async function ledgerCurrency(tx: Database): Promise<string> {
  const [row] = await tx.select({ currency: ledger.currency }).from(ledger)
  return (row as { currency: string }).currency
}

async function isCurrency(tx: Database, code: string): Promise<boolean> {
  return (await tx.$count(currencies, eq(currencies.code, code))) === 1
}

function countOwned(tx: Database, ownerId: string): PromiseLike<number> {
  return tx.$count(accounts, eq(accounts.ownerId, ownerId))
}

async function findByKey(tx: Database, idempotencyKey: string): Promise<Account | undefined> {
  const [account] = await tx
    .select(accountColumns)
    .from(accounts)
    .innerJoin(currencies, eq(currencies.code, accounts.currency))
    .where(eq(accounts.idempotencyKey, idempotencyKey))
  return account
}

/** How a call differs from the one that made the account. A name that may have been changed since cannot be compared. */
function differences(
  values: NewAccount,
  { ownerId, currency, name, createdAt, updatedAt }: Account,
): NewAccountField[] {
  const fields: NewAccountField[] = []
  if (values.ownerId !== ownerId) fields.push('ownerId')
  if (values.currency !== currency.code) fields.push('currency')
  if (values.name !== name && createdAt === updatedAt) fields.push('name')
  return fields
}

/** An account that is known to exist. */
async function read(tx: Database, id: AccountId): Promise<Account> {
  const [account] = await readAccounts(tx).execute({ ids: [id] })
  return account as Account
}

async function write(
  tx: Database,
  id: AccountId,
  values: Partial<Pick<Account, 'name' | 'publicName' | 'status'>>,
): Promise<Account> {
  await tx
    .update(accounts)
    .set({ ...values, updatedAt: sql`clock_timestamp()` })
    .where(eq(accounts.id, id))
  return read(tx, id)
}
