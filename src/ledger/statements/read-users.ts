import { or, sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { users } from '../../db/tables.ts'
import { userColumns } from '../model/user.ts'

/** The users who have any of these ids or (canonical) e-mail addresses. */
export const readUsers = preparedOnce((database) =>
  database
    .select(userColumns)
    .from(users)
    .where(
      or(
        sql`${users.id} = any(${sql.placeholder('ids')}::uuid[])`,
        sql`${users.email} = any(${sql.placeholder('emails')}::text[])`,
      ),
    )
    .prepare('read_users'),
)
