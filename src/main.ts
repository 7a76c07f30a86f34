#!/usr/bin/env node
import { listenForStop, StoppedError } from './commands/stop.ts'

/*
 * The start of a process. It listens for signals before anything else is loaded: a container's first process ignores those that it does
 * not listen for.
 */

const stop = listenForStop()
process.setSourceMapsEnabled(true)

const { runCommandLine } = await import('./command-line.ts')
try {
  const code = await runCommandLine(process.argv.slice(2), stop)
  // A command that did its work may have set another.
  if (code !== 0) process.exitCode = code
} catch (error) {
  if (!(error instanceof StoppedError)) throw error
  // What still hangs ends with the process.
  process.exit(error.exitCode)
}
