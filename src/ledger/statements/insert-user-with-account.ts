import { sql } from 'drizzle-orm'
import type { Database } from '../../db/pool.ts'
import type { NewUser } from '../model/user.ts'

/**
 * Inserts a user and a main account in a currency. The trigger of `users` makes no other one, since the account is there
 * when it runs.
 *
 * @returns whether it did; not if the e-mail address is taken.
 */
export async function insertUserWithAccount(
  database: Database,
  { id, email, passwordHash, role, currency }: Required<NewUser> & { id: string },
): Promise<boolean> {
  const { rowCount } = await database.execute(sql`
    with made as (
      insert into public.users (id, email, password_hash, role) values (${id}, ${email}, ${passwordHash}, ${role})
      on conflict (email) do nothing returning id, created_at
    )
    insert into public.accounts (id, owner_id, currency, created_at, updated_at)
    select id, id, ${currency}, created_at, created_at from made`)
  return rowCount === 1
}
