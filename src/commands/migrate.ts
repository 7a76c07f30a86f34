import { type Flags, readConfig } from '../config.ts'
import { withDatabase } from './database.ts'

/** Runs the migrations that the database lacks. */
export async function migrate(flags: Flags, stop: AbortSignal): Promise<void> {
  const config = readConfig(undefined, { serves: false, flags })
  await withDatabase(config, stop, async (_url, migrations) => {
    console.log(migrations === 0 ? 'The database is up to date.' : `Migrations run: ${migrations}.`)
  })
}
