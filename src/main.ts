import { printSchema } from 'graphql'
import { type AddressFinding, checkAddresses } from './auth/address-check.ts'
import { openAuth } from './auth/auth.ts'
import { canonicalEmail } from './auth/email.ts'
import { makeOperator } from './auth/operators.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { openEmbedded } from './db/embedded.ts'
import { migrateDatabase } from './db/migrate.ts'
import { explain } from './explain.ts'
import { tellDemoStory } from './ledger/demo.ts'
import { type Ledger, openLedger } from './ledger/ledger.ts'
import { schema } from './schema/index.ts'
import { writeAllowList } from './server/allow-list.ts'
import { openConsole } from './server/console.ts'
import { authOptions, ledgerOptions, openServer } from './server/server.ts'

/** The command line: `node dist/main.js <command>`. */
const COMMANDS: Readonly<Record<string, { does: string; run: () => Promise<void> }>> = {
  serve: { does: 'start the server (and, without DATABASE_URL, a PostgreSQL of its own)', run: serve },
  migrate: {
    does: 'bring the database to the newest migration',
    run: () => withDatabase(readConfig(undefined, { serves: false }), async () => {}),
  },
  seed: { does: 'tell the demo story, if the ledger is empty', run: () => seed() },
  verify: { does: 'recompute the whole ledger and say what is wrong; exit code 1 if anything is', run: () => verify() },
  checkpoints: { does: 'rebuild the balance checkpoints that are missing', run: () => checkpoints() },
  'renew-era': { does: 'after a restore, with all servers stopped: make every cursor void', run: () => renewEra() },
  operator: { does: 'make an operator, or give one a new password: operator you@example.com', run: () => operator() },
  persist: {
    does: 'print the allow-list of the operations in files: persist a.graphql persisted-documents.json …',
    run: async () => console.log(await writeAllowList(process.argv.slice(3))),
  },
  'print-schema': { does: 'print the GraphQL schema', run: async () => console.log(printSchema(schema)) },
}

/** Gives `work` the URL of a database that is migrated: the one of DATABASE_URL, or an embedded one for as long. */
async function withDatabase(config: Config, work: (url: string) => Promise<void>): Promise<void> {
  if (config.DATABASE_URL !== undefined) {
    await migrateDatabase(config.DIRECT_DATABASE_URL ?? config.DATABASE_URL)
    return work(config.DATABASE_URL)
  }
  const embedded = await openEmbedded({ dataDir: config.DATA_DIR, log: (line) => console.log(line) })
  try {
    await migrateDatabase(embedded.url)
    await work(embedded.url)
  } finally {
    await embedded.close()
  }
}

async function serve(): Promise<void> {
  const config = readConfig()
  const output = openConsole(config)
  const stopped = stopSignal()
  try {
    await withDatabase(config, async (url) => {
      const server = await openServer(config, url, output.logger)
      try {
        output.ready(server)
        output.stopping(await stopped)
      } finally {
        await server.close()
      }
    })
  } finally {
    await output.close()
  }
}

/** The ledger for as long as a command works on it. */
async function withLedger(work: (ledger: Ledger) => Promise<void>): Promise<void> {
  const config = readConfig(undefined, { serves: false })
  await withDatabase(config, async (url) => {
    const ledger = await openLedger(ledgerOptions(config, url, () => {}))
    try {
      await work(ledger)
    } finally {
      await ledger.close()
    }
  })
}

const seed = () =>
  withLedger(async (ledger) => {
    const told = await tellDemoStory(ledger)
    console.log(told ? 'The demo story is told.' : 'There are users already: nothing was changed.')
  })

const verify = () =>
  withLedger(async (ledger) => {
    const findings = await ledger.verify()
    for (const { code, accountId, sequence, message } of findings) {
      console.error(`${code}: user_${accountId}${sequence === null ? '' : `, entry ${sequence}`}: ${message}`)
    }
    const addresses = await checkAddresses(ledger.database)
    for (const finding of addresses) console.error(`ADDRESS_NOT_CANONICAL: ${describeAddress(finding)}`)
    if (findings.length > 0 || addresses.length > 0) process.exitCode = 1
    if (addresses.length > 0) console.log(`Nobody can sign in to ${addresses.length} users by their e-mail address.`)
    console.log(
      findings.length === 0 ? 'The ledger is sound.' : `The ledger is NOT sound: ${findings.length} findings.`,
    )
  })

/** What is wrong with a user's address, and how an operator of the database puts it right. */
function describeAddress({ userId, canonical, sharedWith }: AddressFinding): string {
  const user = `user_${userId}`
  if (canonical === null) return `${user}: the e-mail address is not valid. Give the user another one.`
  if (sharedWith.length === 0) {
    const literal = canonical.replaceAll("'", "''")
    return `${user}: the e-mail address is not in its canonical form. To fix it: update public.users set email = '${literal}', updated_at = now() where id = '${userId}';`
  }
  const others = sharedWith.map((id) => `user_${id}`).join(', ')
  return `${user}: the e-mail address is the same as that of ${others}. Decide who keeps it, and give the others another one.`
}

const checkpoints = () =>
  withLedger(async (ledger) => {
    const count = await ledger.rebuildCheckpoints()
    console.log(count === 0 ? 'No checkpoint is missing.' : `Checkpoints were missing in ${count} places: rebuilt.`)
  })

const renewEra = () =>
  withLedger(async (ledger) => {
    await ledger.renewEra()
    console.log('A new era has begun: every cursor from before is void.')
  })

async function operator(): Promise<void> {
  const email = canonicalEmail(process.argv[3] ?? '')
  if (email === undefined) throw new ConfigError('Say who: npm run operator -- you@example.com')
  const config = readConfig(undefined, { serves: false })
  await withDatabase(config, async (url) => {
    const auth = await openAuth(authOptions(config, url, () => {}))
    try {
      const { password } = await makeOperator(auth.database, email)
      console.log(`${email} is an operator, and signs in with this password, which is told once:\n\n  ${password}\n`)
    } finally {
      await auth.close()
    }
  })
}

/** One Ctrl-C may be heard twice: from the terminal, and from npm, which passes it on. */
const SIGNAL_ECHO_MS = 1_000

/** The first signal to stop. A second one ends the process at once; the next start mends what that leaves. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let heardAt: number | undefined
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        heardAt ??= performance.now()
        if (performance.now() > heardAt + SIGNAL_ECHO_MS) process.exit(1)
        resolve(signal)
      })
    }
  })
}

const name = process.argv[2] ?? ''
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command) {
  try {
    await command.run()
  } catch (error) {
    console.error(explain(error))
    process.exitCode = 1
  }
} else {
  console.error('Say what to do:')
  for (const [name, { does }] of Object.entries(COMMANDS)) console.error(`  ${name.padEnd(14)} ${does}`)
  process.exitCode = 1
}
