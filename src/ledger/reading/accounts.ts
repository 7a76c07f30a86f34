import { and, eq, isNotNull, isNull, type SQL, sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'
import { jointStatement } from '../../db/joint-statement.ts'
import type { Database } from '../../db/pool.ts'
import { accounts, currencies } from '../../db/tables.ts'
import { type Account, type AccountStatus, accountColumns } from '../model/account.ts'
import type { AccountCreation, AccountNames, NewAccount, StatusChange } from '../model/account-changes.ts'
import type { AccountFilter, AccountsOfOwner, AccountsOfOwnerPage } from '../model/account-list.ts'
import { distinctRequests, ownersAndSets } from '../model/accounts-of-owner.ts'
import type { IdPage, IdPosition } from '../model/id-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import type { AccountChanges } from '../posting/account-changes.ts'
import { readAccountCounts } from '../statements/read-account-counts.ts'
import { readAccounts } from '../statements/read-accounts.ts'
import { readPagesOfOwners } from '../statements/read-pages-of-owners.ts'
import { pageById } from './id-page.ts'

/** All lists are newest first, by id. So the main account of an owner, which is the oldest, comes last. */
export class Accounts {
  readonly #database: Database
  readonly #changes: AccountChanges
  readonly #find: (ids: readonly AccountId[]) => Promise<(Account | undefined)[]>

  constructor(database: Database, changes: AccountChanges) {
    this.#database = database
    this.#changes = changes
    this.#find = jointStatement(async (ids) => {
      const rows = await readAccounts(database).execute({ ids: [...new Set(ids)] })
      const byId = new Map(rows.map((account) => [account.id, account]))
      return ids.map((id) => byId.get(id))
    })
  }

  /** In the order of the ids; undefined where there is none. All calls of one turn of the event loop share a statement. */
  find(ids: readonly AccountId[]): Promise<(Account | undefined)[]> {
    return this.#find(ids)
  }

  /** @param held only these accounts; null: all. */
  page(
    request: PageRequest<IdPosition>,
    filter: AccountFilter,
    held: readonly AccountId[] | null,
  ): Promise<IdPage<Account>> {
    return pageById(this.#database, request, accounts, accounts.id, matches(filter, held), (where, order, limit) =>
      this.#database
        .select(accountColumns)
        .from(accounts)
        .innerJoin(currencies, eq(currencies.code, accounts.currency))
        .where(where)
        .orderBy(order)
        .limit(limit),
    )
  }

  /** How many accounts all pages have together. */
  async count(filter: AccountFilter, held: readonly AccountId[] | null): Promise<number> {
    return this.#database.$count(accounts, matches(filter, held))
  }

  /** One page of the accounts of each owner, in the order of the requests. One statement reads them all. */
  async pagesOfOwners(requests: readonly AccountsOfOwnerPage[]): Promise<IdPage<Account>[]> {
    const { distinct, places } = distinctRequests(requests)
    const pages = distinct.map((): IdPage<Account> => ({ rows: [], hasNewer: false, hasOlder: false }))
    const rows = await readPagesOfOwners(this.#database).execute({
      ...ownersAndSets(distinct),
      sizes: distinct.map(({ request: { first, last } }) => last ?? first ?? 0),
      afters: distinct.map(({ request }) => request.after?.id ?? null),
      befores: distinct.map(({ request }) => request.before?.id ?? null),
      backward: distinct.map(({ request }) => request.last !== undefined),
    })
    for (const { request, hasNewer, hasOlder, id, code, scale, ...account } of rows) {
      const page = pages[request - 1] as IdPage<Account>
      // Of a page, the newest row says what is newer, and the oldest what is older.
      if (page.rows.length === 0) page.hasNewer = hasNewer
      page.hasOlder = hasOlder
      if (id !== null) page.rows.push({ ...account, id, currency: { code, scale } })
    }
    return places.map((place) => pages[place] as IdPage<Account>)
  }

  /** How many accounts all pages of each owner have together. One statement counts them all. */
  async countsOfOwners(requests: readonly AccountsOfOwner[]): Promise<number[]> {
    const { distinct, places } = distinctRequests(requests)
    const rows = await readAccountCounts(this.#database).execute(ownersAndSets(distinct))
    return places.map((place) => rows[place]?.count ?? 0)
  }

  /** @see AccountChanges.create */
  create(account: NewAccount): Promise<AccountCreation> {
    return this.#changes.create(account)
  }

  /** @see AccountChanges.rename */
  update(id: AccountId, names: AccountNames): Promise<Account | undefined> {
    return this.#changes.rename(id, names)
  }

  /** @see AccountChanges.setStatus */
  setStatus(id: AccountId, status: AccountStatus): Promise<StatusChange> {
    return this.#changes.setStatus(id, status)
  }
}

function matches(
  { ownerId, house, name, currency, status }: AccountFilter,
  held: readonly AccountId[] | null,
): SQL | undefined {
  return and(
    held === null ? undefined : sql`${accounts.id} = any(${sql.param(held)}::uuid[])`,
    ownerId == null ? undefined : eq(accounts.ownerId, ownerId),
    house == null ? undefined : house ? isNull(accounts.ownerId) : isNotNull(accounts.ownerId),
    name == null ? undefined : eq(accounts.name, name),
    currency == null ? undefined : eq(accounts.currency, currency),
    status == null ? undefined : eq(accounts.status, status),
  )
}
