import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { StoppedError } from './commands/stop.ts'

/*
 * What is typed after `thesaurum`. Each command loads what it needs, so `--help` prints at once.
 *
 * Exit codes: 0 done; 1 the command failed, or `verify` found something; 2 the command line is wrong; 128 + the signal's number where a
 * signal ended a command before its work was done. `serve` is different: a signal is how it ends, with 0.
 */

/** Where help, and what is wrong, are printed. */
export interface Terminal {
  writeOut(text: string): void
  writeErr(text: string): void
}

const TERMINAL: Terminal = {
  writeOut: (text) => void process.stdout.write(text),
  writeErr: (text) => void process.stderr.write(text),
}

/**
 * Runs a command line, and prints what is wrong with it.
 *
 * @param stop ends the command.
 * @returns the exit code.
 * @throws {StoppedError} where `stop` ended the command before its work was done.
 */
export async function runCommandLine(
  words: string[],
  stop: AbortSignal,
  terminal: Terminal = TERMINAL,
): Promise<number> {
  try {
    await parse(createProgram(stop, terminal), words)
    return 0
  } catch (error) {
    // Commander has printed what there is to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof StoppedError) throw error
    const { exitCodeOf, explain } = await import('./startup-errors.ts')
    terminal.writeErr(`${explain(error)}\n`)
    return exitCodeOf(error)
  }
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

function createProgram(stop: AbortSignal, terminal: Terminal): Command {
  const program = new Command('thesaurum')
    .description('A ledger server that speaks GraphQL. Settings come from environment variables; flags win over them.')
    .exitOverride()
    .helpCommand(false)
    .configureOutput(terminal)

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
      await parse(program, [...(name === undefined ? [] : [name]), '--help'])
    })

  for (const each of [program, ...program.commands]) {
    each.version(version, '-V, --version', 'print the version').helpOption('-h, --help', 'print this help')
  }
  return program
}

/** Flags as the settings that they stand for: `--data-dir` is DATA_DIR. */
function flagsOf(options: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name.replace(/[A-Z]/g, '_$&').toUpperCase(), value]),
  )
}

/** Behind an unknown command Commander takes `--help` for the general one: there only the command is parsed, and refused. */
async function parse(program: Command, words: string[]): Promise<void> {
  const [name = '-'] = words
  const isUnknown = !name.startsWith('-') && !program.commands.some((each) => each.name() === name)
  await program.parseAsync(isUnknown ? [name] : words, { from: 'user' })
}
