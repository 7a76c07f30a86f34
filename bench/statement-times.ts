import pg from 'pg'

/** What one kind of statement took in PostgreSQL. */
export interface StatementTime {
  text: string
  calls: number
  rows: number
  microseconds: number
}

export interface StatementTimes {
  reset(): Promise<void>
  /** Since the last reset, the longest first. */
  read(): Promise<StatementTime[]>
  close(): Promise<void>
}

/**
 * The clock of pg_stat_statements. Undefined where PostgreSQL has not loaded it, or does not let us.
 *
 * @param url of somebody who may create extensions.
 */
export async function openStatementTimes(url: string): Promise<StatementTimes | undefined> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('create extension if not exists pg_stat_statements')
    await client.query('select from pg_stat_statements limit 1')
  } catch (error) {
    console.error(`No times of statements: ${(error as Error).message}`)
    await client.end()
    return undefined
  }
  return {
    async reset() {
      await client.query('select pg_stat_statements_reset()')
    },
    async read() {
      const { rows } = await client.query<{ query: string; calls: string; rows: string; microseconds: number }>(`
        select query, calls, rows, total_exec_time * 1000 as microseconds
        from pg_stat_statements join pg_database on pg_database.oid = dbid
        where datname = current_database() and query not like '%pg_stat_statements%'
        order by total_exec_time desc`)
      return rows.map(({ query, calls, rows, microseconds }) => ({
        text: query,
        calls: Number(calls),
        rows: Number(rows),
        microseconds,
      }))
    },
    close: () => client.end(),
  }
}
