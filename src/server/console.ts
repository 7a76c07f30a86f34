import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { type Config, isOn } from '../config.ts'
import { bannerOf, type Started } from './banner.ts'
import { LineWriter } from './line-writer.ts'
import { createLogger } from './log.ts'

/** What a server says on its console: log lines, and in development words for a person. In production every line is JSON. */
export interface ServerConsole {
  logger: Logger
  ready(server: Pick<Started, 'address' | 'operatorTokenPath'>): void
  /** @param why as in `SIGTERM`. */
  stopping(why: string): void
  /** Writes all that was said. Nothing can be said afterwards. */
  close(): Promise<void>
}

const STDOUT = 1

export function openConsole(config: Config, fd: number = STDOUT): ServerConsole {
  const writer = new LineWriter(fd)
  const logger = createLogger(config.LOG_LEVEL, writer)
  const isProduction = config.NODE_ENV === 'production'
  const stopCatching = isProduction ? catchWhatNodePrints(logger, writer) : () => {}
  return {
    logger,
    ready({ address, operatorTokenPath }) {
      const graphiql = isOn(config, 'GRAPHIQL')
      const ownsDatabase = config.DATABASE_URL === undefined
      const container = config.container === undefined ? null : hostname()
      if (isProduction)
        logger.info({ address: `${address}/graphql`, ...(graphiql && { graphiql }) }, 'Thesaurum is ready')
      else writer.write(`${bannerOf({ address, graphiql, ownsDatabase, operatorTokenPath, container })}\n`)
    },
    stopping(why) {
      if (isProduction) logger.info({ signal: why }, 'stopping')
      else writer.write(`Stopping (${why}) …\n`)
    },
    async close() {
      stopCatching()
      await writer.close()
    },
  }
}

/** Node prints warnings, and the error that ends the process, as text. Here they are log lines. */
function catchWhatNodePrints(logger: Logger, writer: LineWriter): () => void {
  const onWarning = (warning: Error) => logger.warn({ err: warning }, 'Node warns')
  const onError = (error: unknown) => {
    logger.fatal({ err: error }, 'the process ends: an error was not caught')
    writer.flushSync()
    process.exit(1)
  }
  const printing = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', onWarning).on('uncaughtException', onError)
  return () => {
    process.off('warning', onWarning).off('uncaughtException', onError)
    for (const listener of printing) process.on('warning', listener)
  }
}
