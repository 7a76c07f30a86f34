/** A text the server holds in memory, named by its hash: a browser fetches it once, compressed, and for good. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import Negotiator from 'negotiator'

export interface ImmutableAsset {
  readonly contentType: string
  readonly hash: string
  /** Compressed off the event loop when first asked for, then kept. */
  readonly body: Readonly<Record<Encoding, () => Promise<Buffer>>>
}

type Encoding = 'br' | 'gzip' | 'identity'

export function createAsset(contentType: string, content: string): ImmutableAsset {
  return {
    contentType,
    hash: hashOf(content),
    body: {
      br: once(() => compressWithBrotli(Buffer.from(content))),
      gzip: once(() => promisify(gzip)(content)),
      identity: async () => Buffer.from(content),
    },
  }
}

export async function sendAsset(
  request: IncomingMessage,
  response: ServerResponse,
  asset: ImmutableAsset,
  extraHeaders: Readonly<Record<string, string>>,
): Promise<void> {
  const encoding = chooseEncoding(request)
  const etag = `"${asset.hash}-${encoding}"`
  const headers = {
    ...extraHeaders,
    'content-type': asset.contentType,
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'Accept-Encoding',
    etag,
    ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
  }
  if (hasFresh(request, etag)) send(request, response, 304, headers)
  else send(request, response, 200, headers, await asset.body[encoding]())
}

/** Answers GET with the body, HEAD with its length alone. */
export function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Buffer = Buffer.alloc(0),
): void {
  response.writeHead(status, status === 304 ? headers : { ...headers, 'content-length': body.byteLength })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** 132 bits of SHA-256, safe in a URL and in an ETag. */
export function hashOf(content: string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 22)
}

/** Whether If-None-Match names this ETag (RFC 9110 section 13.1.2: weak comparison). */
export function hasFresh(request: IncomingMessage, etag: string): boolean {
  const candidates = (request.headers['if-none-match'] ?? '').split(',').map((item) => item.trim().replace(/^W\//, ''))
  return candidates.includes(etag) || candidates.includes('*')
}

/** Accept-Encoding (RFC 9110 section 12.5.3): Brotli where it is taken, else gzip (browsers on plain HTTP), else neither. */
function chooseEncoding(request: IncomingMessage): Encoding {
  const accepted = new Negotiator(request).encodings(['br', 'gzip'])
  return accepted.includes('br') ? 'br' : accepted.includes('gzip') ? 'gzip' : 'identity'
}

/** Quality 5, for GraphiQL's 8.8 MB: 2.14 MB in 0.28 s of processor. 9 gives 2.06 MB in 1.1 s, 11 gives 1.89 MB in 14 s. */
function compressWithBrotli(content: Buffer): Promise<Buffer> {
  return promisify(brotliCompress)(content, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 5,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: content.byteLength,
    },
  })
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
