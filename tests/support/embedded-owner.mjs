/**
 * A server process in small, for tests that kill one: opens the embedded database in the folder that it is given, tells so in one
 * line of JSON, and closes it at SIGTERM. SIGINT it survives, as a server that drains does. `program` is the built embedded.js.
 */
const [dataDir, program, uid, gid] = process.argv.slice(2)
const { openEmbedded } = await import(program)

// Only now: whom it becomes need not be able to run this Node, or to read this file.
if (uid && gid) {
  process.setgroups?.([])
  process.setgid?.(Number(gid))
  process.setuid?.(Number(uid))
}

const tell = (said) => process.stdout.write(`${JSON.stringify(said)}\n`)
try {
  const database = await openEmbedded({ dataDir, log: (line) => tell({ log: line }) })
  process.on('SIGINT', () => tell({ interrupted: true }))
  process.once('SIGTERM', () => void database.close().then(() => tell({ closed: true })))
  tell({ url: database.url })
} catch (error) {
  tell({ refused: error.message })
}
