import { sql } from 'drizzle-orm'
import { jointStatement } from '../../db/joint-statement.ts'
import type { Database } from '../../db/pool.ts'
import { constraintOf } from '../../db/sqlstate.ts'
import { users } from '../../db/tables.ts'
import { CurrencyUnknownError } from '../model/currency-unknown-error.ts'
import type { IdPage, IdPosition } from '../model/id-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import { makeRowId } from '../model/row-id.ts'
import { type NewUser, type User, type UserKey, userColumns } from '../model/user.ts'
import { readUsers } from '../statements/read-users.ts'
import { pageById } from './id-page.ts'

export class Users {
  readonly #database: Database
  readonly #find: (keys: readonly UserKey[]) => Promise<(User | undefined)[]>

  constructor(database: Database) {
    this.#database = database
    this.#find = jointStatement((keys) => findByKey(database, keys))
  }

  /**
   * Makes a user with a main account.
   *
   * @returns the user, or undefined when the e-mail is taken.
   * @throws {CurrencyUnknownError}
   */
  async create({ currency, ...user }: NewUser): Promise<User | undefined> {
    const id = makeRowId()
    if (currency !== undefined) {
      return insertUserWithAccount(this.#database, { id, ...user, currency }).catch((error) => {
        throw constraintOf(error) === 'accounts_currency_currencies_code_fk' ? new CurrencyUnknownError() : error
      })
    }
    // A trigger makes the account, in the ledger's currency.
    const [created] = await this.#database
      .insert(users)
      .values({ id, ...user })
      .onConflictDoNothing({ target: users.email })
      .returning(userColumns)
    return created
  }

  /** In the order of the keys; undefined where there is none. All calls of one turn of the event loop share a statement. */
  find(keys: readonly UserKey[]): Promise<(User | undefined)[]> {
    return this.#find(keys)
  }

  /** Newest first (by id, which rises with time). */
  page(request: PageRequest<IdPosition>): Promise<IdPage<User>> {
    return pageById(this.#database, request, users, users.id, undefined, (where, order, limit) =>
      this.#database.select(userColumns).from(users).where(where).orderBy(order).limit(limit),
    )
  }

  /** How many users there are. */
  async count(): Promise<number> {
    return this.#database.$count(users)
  }
}

async function findByKey(database: Database, keys: readonly UserKey[]): Promise<(User | undefined)[]> {
  const ids = keys.flatMap(({ id }) => id ?? [])
  const emails = keys.flatMap(({ email }) => email ?? [])
  const rows = await readUsers(database).execute({ ids, emails })
  const byId = new Map(rows.map((user) => [user.id, user]))
  const byEmail = new Map(rows.map((user) => [user.email, user]))
  return keys.map(({ id, email }) => (id === undefined ? byEmail.get(email) : byId.get(id)))
}

/**
 * Inserts a user and a main account in a currency. The trigger of `users` makes no other one, since the account is there
 * when it runs.
 *
 * @returns undefined if the e-mail address is taken.
 */
async function insertUserWithAccount(
  database: Database,
  { id, email, passwordHash, role, currency }: Required<NewUser> & { id: string },
): Promise<User | undefined> {
  // What is inserted has the name of its table, for the columns of a User.
  const { rows } = await database.execute<User & Record<string, unknown>>(sql`
    with users as (
      insert into public.users (id, email, password_hash, role) values (${id}, ${email}, ${passwordHash}, ${role})
      on conflict (email) do nothing returning *
    ), account as (
      insert into public.accounts (id, owner_id, currency, created_at, updated_at)
      select id, id, ${currency}, created_at, created_at from users
    )
    select ${userColumns.id}, ${userColumns.email}, ${userColumns.role},
      ${userColumns.createdAt} as "createdAt", ${userColumns.updatedAt} as "updatedAt" from users`)
  return rows[0]
}
