import { openSync } from 'node:fs'
import { readConfig } from '../src/config.ts'
import { makeToken } from './token.ts'

/*
 * Our server, on the database of DATABASE_URL, in a process of its own. It tells its parent in one line of JSON where it
 * listens, and the token that every request is to carry (null: none).
 *
 * What runs is the build, as with `npm start`: tsx would compile the sources with esbuild's keepNames, which sets a name on
 * every closure each time it is made, and so slow down what is measured here.
 */

const built = (path: string) => new URL(`../dist/${path}`, import.meta.url).href
const { createLogger }: typeof import('../src/server/log.ts') = await import(built('server/log.js'))
const { LineWriter }: typeof import('../src/server/line-writer.ts') = await import(built('server/line-writer.js'))
const { openServer }: typeof import('../src/server/server.ts') = await import(built('server/server.js'))

const config = readConfig()
if (config.DATABASE_URL === undefined) throw new Error('DATABASE_URL is missing')
// Written as `npm start` writes it, and thrown away.
const logger = createLogger(config.LOG_LEVEL, new LineWriter(openSync('/dev/null', 'w')))
const countsRequests = process.env.WITHOUT_METRICS === undefined
const server = await openServer(config, config.DATABASE_URL, logger, { countsRequests })
const token = await makeToken(config.DATABASE_URL)
console.log(JSON.stringify({ address: server.address, token }))

process.stdin.resume().once('end', () => void server.close())
