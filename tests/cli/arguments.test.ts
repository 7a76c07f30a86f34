import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { runCommandLine } from '../../src/command-line.ts'
import { runCommand } from '../support/command-line.ts'

/* What is typed after `thesaurum`: help, mistakes, and flags. */

const COMMANDS = [
  'serve',
  'migrate',
  'seed',
  'verify',
  'checkpoints',
  'renew-era',
  'operator',
  'persist',
  'print-schema',
]

const { version: VERSION } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

async function start(words: string[], environment: Record<string, string> = {}) {
  const command = runCommand(words, environment)
  return { code: await command.waitForExit(), stdout: command.stdout(), stderr: command.stderr() }
}

/** The same in this process, without a start. */
async function run(words: string[]) {
  let stdout = ''
  let stderr = ''
  const terminal = {
    writeOut: (text: string) => {
      stdout += text
    },
    writeErr: (text: string) => {
      stderr += text
    },
  }
  const stop = AbortSignal.abort(new Error('a command was about to run'))
  return { code: await runCommandLine(words, stop, terminal), stdout, stderr }
}

test.each([
  ['--help', 0],
  ['sevre', 2],
])('the process ends with the exit code of %s, and prints the same as without a start', async (word, code) => {
  const started = await start([word])
  expect(started).toEqual(await run([word]))
  expect(started.code).toBe(code)
})

describe('help and version', () => {
  test.each(['--help', 'help'])('%s lists every command, on stdout', async (word) => {
    const { code, stdout, stderr } = await run([word])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: thesaurum \[options\] \[command\]\n/)
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
  })

  test.each(COMMANDS)('%s has its own', async (name) => {
    const [help, version] = await Promise.all([run([name, '--help']), run([name, '--version'])])
    expect(help).toEqual({ code: 0, stdout: expect.stringContaining(`Usage: thesaurum ${name} `), stderr: '' })
    expect(version).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' })
  })

  test('help of a command is the same both ways', async () => {
    expect(await run(['help', 'serve'])).toEqual(await run(['serve', '--help']))
  })

  test('no command at all is a mistake, and answered with the help on stderr', async () => {
    expect(await run([])).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(/^Usage: thesaurum /) })
  })
})

describe('mistakes are named, and nothing runs', () => {
  test.each([
    [['sevre'], "error: unknown command 'sevre'\n(Did you mean serve?)\n"],
    [['sevre', '--help'], "error: unknown command 'sevre'\n(Did you mean serve?)\n"],
    [['help', 'sevre'], "error: unknown command 'sevre'\n(Did you mean serve?)\n"],
    [['__proto__'], "error: unknown command '__proto__'\n"],
    [['--port', '5000'], "error: unknown option '--port'\n"],
    [['serve', '--prot', '5000'], "error: unknown option '--prot'\n(Did you mean --port?)\n"],
    [['serve', '--port'], "error: option '--port <port>' argument missing\n"],
    [['serve', '5000'], "error: too many arguments for 'serve'. Expected 0 arguments but got 1.\n"],
    [['verify', 'extra'], "error: too many arguments for 'verify'. Expected 0 arguments but got 1.\n"],
    [['operator'], "error: missing required argument 'email'\n"],
    [['operator', 'a@example.com', 'b'], "error: too many arguments for 'operator'. Expected 1 argument but got 2.\n"],
    [['persist'], "error: missing required argument 'files'\n"],
    [['serve', '--port', '70000'], '--port must be a whole number from 0 to 65535\n'],
    [['serve', '--data-dir', ''], '--data-dir must not be empty\n'],
    [
      ['serve', '--host', '', '--log-level', 'loud'],
      '--host must not be empty\n--log-level must be one of silent, fatal, error, warn, info, debug, trace\n',
    ],
  ])('%j', async (words, stderr) => {
    expect(await run(words)).toEqual({ code: 2, stdout: '', stderr })
  })
})

test('a flag wins over the environment', async () => {
  const environment = { HOST: '127.0.0.1', PORT: 'seventy', DATA_DIR: '.data' }
  const { code, stderr } = await start(['serve', '--port', '0', '--data-dir', '/dev/null/data'], environment)
  expect(code).toBe(1)
  expect(stderr).toBe(
    'The folder /dev/null/data cannot be created (ENOTDIR). Set DATA_DIR to a folder that this user can write to.\n',
  )
})
