import { once } from 'node:events'
import { type Flags, readConfig } from '../config.ts'
import { openConsole } from '../server/console.ts'
import { exitCodeOf, explain } from '../startup-errors.ts'
import { withDatabase } from './database.ts'
import { StoppedError, unlessStopped } from './stop.ts'

/** Loads the server and GraphQL: most of the modules of a start. */
const loadServer = () => import('../server/server.ts')

/** Starts the server, and a PostgreSQL of its own where there is no DATABASE_URL; closes both on a signal to stop. */
export async function serve(flags: Flags, stop: AbortSignal): Promise<void> {
  const config = readConfig(undefined, { flags })
  const output = openConsole(config)
  stop.addEventListener('abort', () => output.stopping((stop.reason as StoppedError).signal))
  // Loads while the embedded PostgreSQL starts. An error is reported below, where the server is used.
  if (config.DATABASE_URL === undefined) loadServer().catch(() => {})
  try {
    await withDatabase(config, stop, async (url) => {
      const server = await unlessStopped(stop, async () => {
        const { openServer } = await loadServer()
        return openServer(config, url, output.logger)
      })
      try {
        output.ready(server)
        if (!stop.aborted) await once(stop, 'abort')
      } finally {
        await server.close()
      }
    })
  } catch (error) {
    if (!(error instanceof StoppedError)) {
      // In production all that is said is JSON.
      if (config.NODE_ENV !== 'production') throw error
      output.logger.fatal({ err: error }, explain(error))
      process.exitCode = exitCodeOf(error)
      return
    }
    // A signal is how a server ends, ready or not. What still hangs, such as a connection to a database that does not answer, ends with the process.
    process.exit(0)
  } finally {
    await output.close()
  }
}
