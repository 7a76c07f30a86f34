import { openCluster } from './cluster.ts'
import { EmbeddedDatabaseError } from './embedded-error.ts'
import { Owner } from './owner.ts'

/**
 * The PostgreSQL that comes with Thesaurum, so that the first start needs nothing but Node. It trades a database of one's own making
 * (DATABASE_URL) for one that is made, started, watched and stopped by the server that owns it.
 *
 * Promises: real PostgreSQL with durable commits; on 127.0.0.1 alone, behind a random password; one owner for a folder at any time;
 * the server's death does not stop PostgreSQL, and the next server takes it over; PostgreSQL's death is repaired on the same URL. Limits:
 * Linux with glibc, or macOS; no upgrade from one major version of PostgreSQL to the next; its log is turned over at a start only.
 *
 * cluster.ts has the folder, binaries.ts and system-user.ts what runs and as whom, postmaster.ts the process, owner.ts the lock.
 */
export interface EmbeddedDatabase {
  /** Of the ledger's database; the same for the life of this object, whatever happens to PostgreSQL. */
  readonly url: string
  /** Stops PostgreSQL (fast shutdown, which ends its sessions) and waits until it is gone. May be called again. */
  close(): Promise<void>
}

export { EmbeddedDatabaseError }

/**
 * Opens the embedded database in a folder, making it where there is none.
 *
 * @param stop ends the start: what it had started by then is stopped, and the promise rejects with the reason of the signal.
 * @throws EmbeddedDatabaseError whenever it cannot be had.
 */
export async function openEmbedded(options: {
  dataDir: string
  log: (line: string) => void
  stop?: AbortSignal
}): Promise<EmbeddedDatabase> {
  const { dataDir, log, stop = new AbortController().signal } = options
  try {
    const cluster = await openCluster(dataDir, log, stop)
    const owner = new Owner(cluster, log)
    await owner.open(stop)
    return {
      url: `postgres://thesaurum:${cluster.password}@127.0.0.1:${owner.port}/thesaurum`,
      close: () => owner.close(),
    }
  } catch (error) {
    // Whatever failed then, failed for that: Ctrl-C in a terminal also reaches the programs that we run.
    stop.throwIfAborted()
    if (error instanceof EmbeddedDatabaseError) throw error
    // The file system's word: no space left, no permission.
    throw new EmbeddedDatabaseError(`PostgreSQL cannot use the folder ${dataDir}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
