import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGraphiqlPage } from '../../src/server/graphiql/page.ts'

const page = createGraphiqlPage({ endpoint: '/graphql', title: 'Thesaurum', defaultQuery: '{ viewer { id } }' })
const server = createServer((incoming, response) => {
  const token = incoming.headers['x-token']
  page.respond(incoming, response, { headers: typeof token === 'string' ? token : undefined })
})

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
})

afterAll(() => {
  server.close()
})

test('the page is small, revalidated, and lets nothing run but its own files', async () => {
  const answer = await ask('/graphql')
  expect(answer.status).toBe(200)
  expect(answer.body.byteLength).toBeLessThan(8 * 1024)
  expect(answer.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    vary: 'Accept',
  })
  const policy = answer.headers['content-security-policy']
  expect(policy).toContain("default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toContain('unsafe-eval')

  const again = await ask('/graphql', { headers: { 'if-none-match': `"other", W/${answer.headers.etag}` } })
  expect([again.status, again.body.byteLength]).toEqual([304, 0])
})

test('a page made for one visitor is never stored and shares its assets with every other', async () => {
  const plain = await ask('/graphql')
  const personal = await ask('/graphql', { headers: { 'x-token': '{"Authorization":"Bearer </script>"}' } })
  expect(personal.headers['cache-control']).toBe('no-store')
  expect(personal.headers.etag).toBeUndefined()
  expect(personal.body.toString()).toContain('Bearer \\u003c/script>')
  expect(assetsOf(personal.body)).toEqual(assetsOf(plain.body))
})

test.each([
  ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
  ['gzip, br;q=0', 'gzip', gunzipSync],
  ['*', 'br', brotliDecompressSync],
  ['gzip;q=1, br;q=0.1', 'br', brotliDecompressSync],
  ['GZIP ; q=0.5, *;q=0', 'gzip', gunzipSync],
  ['identity', undefined, (body: Buffer) => body],
  [undefined, undefined, (body: Buffer) => body],
])('to Accept-Encoding %s an asset answers in %s', async (accepted, encoding, decode) => {
  const [path = ''] = assetsOf((await ask('/graphql')).body)
  const headers = accepted === undefined ? {} : { 'accept-encoding': accepted }
  const answer = await ask(path, { headers })
  expect(answer.headers['content-encoding']).toBe(encoding)
  expect(answer.headers).toMatchObject({
    'cache-control': 'public, max-age=31536000, immutable',
    'content-length': String(answer.body.byteLength),
    vary: 'Accept-Encoding',
  })
  const identity = await ask(path)
  expect(decode(answer.body).equals(identity.body)).toBe(true)

  const etag = answer.headers.etag ?? ''
  expect((await ask(path, { headers: { ...headers, 'if-none-match': etag } })).status).toBe(304)
  const head = await ask(path, { headers, method: 'HEAD' })
  expect([head.status, head.headers['content-length'], head.body.byteLength]).toEqual([
    200,
    String(answer.body.byteLength),
    0,
  ])
})

test('an unknown asset is not found, and nothing but GET and HEAD is taken', async () => {
  expect(page.ownsPath('/graphql/assets/gone.js')).toBe(true)
  expect(page.ownsPath('/graphql')).toBe(false)
  expect((await ask('/graphql/assets/gone.js')).status).toBe(404)
  const post = await ask('/graphql', { method: 'POST' })
  expect([post.status, post.headers.allow]).toEqual([405, 'GET, HEAD'])
})

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** As the bytes came: fetch would decompress them. */
async function ask(path: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
  const { port } = server.address() as AddressInfo
  const outgoing = request({ port, path, ...options, agent: false })
  outgoing.end()
  const [incoming] = await once(outgoing, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return { status: incoming.statusCode, headers: incoming.headers, body: Buffer.concat(chunks) }
}

function assetsOf(body: Buffer): string[] {
  return body.toString().match(/\/graphql\/assets\/[\w.-]+/g) ?? []
}
