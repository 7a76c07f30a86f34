#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { listenForStop, StoppedError } from './commands/stop.ts'

/*
 * The command line. It listens for signals before anything else is loaded: a container's first process ignores those that it does not
 * listen for. Each command loads what it needs, so `--help` prints at once.
 *
 * Exit codes: 0 done; 1 the command failed, or `verify` found something; 2 the command line is wrong; 128 + the signal's number where a
 * signal ended a command before its work was done. `serve` is different: a signal is how it ends, with 0.
 */

const stop = listenForStop()
process.setSourceMapsEnabled(true)

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('thesaurum')
  .description('A ledger server that speaks GraphQL. Settings come from environment variables; flags win over them.')
  .exitOverride()
  .helpCommand(false)

/** A command, with the flags that all of them have. */
const command = (nameAndArguments: string, description: string) =>
  program.command(nameAndArguments).description(description)

/** A command that uses the database. */
const databaseCommand = (nameAndArguments: string, description: string) =>
  command(nameAndArguments, description).option(
    '--data-dir <folder>',
    'the folder of the embedded PostgreSQL (DATA_DIR)',
  )

databaseCommand('serve', 'start the server, and a PostgreSQL of its own where DATABASE_URL is not set')
  .option('--host <address>', 'the address to listen on (HOST)')
  .option('--port <port>', 'the port to listen on (PORT)')
  .option('--log-level <level>', 'what to log: silent, fatal, error, warn, info, debug or trace (LOG_LEVEL)')
  .action(async (options) => (await import('./commands/serve.ts')).serve(flagsOf(options), stop))

databaseCommand('migrate', 'run the migrations that the database lacks').action(async (options) =>
  (await import('./commands/migrate.ts')).migrate(flagsOf(options), stop),
)

databaseCommand('seed', 'load the demo data, if the ledger has no users').action(async (options) =>
  (await import('./commands/seed.ts')).seed(flagsOf(options), stop),
)

databaseCommand('verify', 'recompute the whole ledger and print what is wrong; exit code 1 if anything is').action(
  async (options) => (await import('./commands/verify.ts')).verify(flagsOf(options), stop),
)

databaseCommand('checkpoints', 'rebuild the balance checkpoints that are missing').action(async (options) =>
  (await import('./commands/checkpoints.ts')).checkpoints(flagsOf(options), stop),
)

databaseCommand('renew-era', 'make every cursor void: after a restore, with all servers stopped').action(
  async (options) => (await import('./commands/renew-era.ts')).renewEra(flagsOf(options), stop),
)

databaseCommand('operator', 'create an operator, or give one a new password')
  .argument('<email>', "the operator's e-mail address")
  .action(async (email, options) => (await import('./commands/operator.ts')).operator(email, flagsOf(options), stop))

command('persist', 'print the allow-list of the operations in files')
  .argument('<files...>', 'GraphQL documents, or the lists that clients generate, as persisted-documents.json')
  .action(async (files) => (await import('./commands/persist.ts')).persist(files))

command('print-schema', 'print the GraphQL schema').action(async () =>
  (await import('./commands/print-schema.ts')).printSchema(),
)

command('help', 'print what a command does')
  .argument('[command]', 'the command')
  .action(async (name?: string) => {
    await parse([...(name === undefined ? [] : [name]), '--help'])
  })

for (const each of [program, ...program.commands]) {
  each.version(version, '-V, --version', 'print the version').helpOption('-h, --help', 'print this help')
}

/** Flags as the settings that they stand for: `--data-dir` is DATA_DIR. */
function flagsOf(options: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name.replace(/[A-Z]/g, '_$&').toUpperCase(), value]),
  )
}

/** Behind an unknown command Commander takes `--help` for the general one: there only the command is parsed, and refused. */
async function parse(words: string[]): Promise<void> {
  const [name = '-'] = words
  const isUnknown = !name.startsWith('-') && !program.commands.some((each) => each.name() === name)
  await program.parseAsync(isUnknown ? [name] : words, { from: 'user' })
}

try {
  await parse(process.argv.slice(2))
} catch (error) {
  // Commander has printed what there is to say.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else if (error instanceof StoppedError) process.exit(error.exitCode)
  else {
    const { exitCodeOf, explain } = await import('./startup-errors.ts')
    console.error(explain(error))
    process.exitCode = exitCodeOf(error)
  }
}
