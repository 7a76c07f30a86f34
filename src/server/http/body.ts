import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { MIMEType } from 'node:util'
import { remembering } from './header-values.ts'

/*
 * The body of a POST: JSON in UTF-8, not compressed. Text is taken as it was sent or not at all. A decoder that puts U+FFFD
 * in place of what it cannot read would make one text of two.
 */

/** Why a body is not read, in words for the client. */
export interface BodyRefusal {
  status: 400 | 413 | 415
  message: string
  /** More of the body is still on its way: the connection ends with the answer. */
  isLast?: true
}

/** By the header Content-Type, which is the same for most requests. */
const judgeType = remembering((type) => ({ refusal: refuseType(type) }))

/**
 * Judges a body by its headers, before any of it is read.
 *
 * @returns undefined when it may be read.
 */
export function refuseByHeaders(headers: IncomingHttpHeaders, bytesMax: number): BodyRefusal | undefined {
  const { refusal } = judgeType(headers['content-type'] ?? '')
  if (refusal) return refusal
  const coding = headers['content-encoding']
  if (coding !== undefined && !isIdentity(coding))
    return { status: 415, message: 'The body must not be compressed. Send it without `Content-Encoding`.' }
  return Number(headers['content-length'] ?? 0) > bytesMax ? tooLarge(bytesMax) : undefined
}

function refuseType(type: string): BodyRefusal | undefined {
  // A form or a text can be sent from any web page without asking; JSON cannot.
  if (!/^application\/json\s*(;|$)/i.test(type))
    return { status: 415, message: 'Send the header `Content-Type: application/json`.' }
  return isUtf8Charset(charsetOf(type)) ? undefined : { status: 415, message: 'The charset of the body must be UTF-8.' }
}

function charsetOf(type: string): string {
  try {
    return new MIMEType(type).params.get('charset') ?? 'utf-8'
  } catch {
    return ''
  }
}

/** Any name that the WHATWG Encoding Standard has for UTF-8. */
function isUtf8Charset(charset: string): boolean {
  try {
    return new TextDecoder(charset).encoding === 'utf-8'
  } catch {
    return false
  }
}

/** RFC 9110, 8.4: a list of codings. "identity" is no coding. */
function isIdentity(coding: string): boolean {
  return coding
    .toLowerCase()
    .split(',')
    .every((name) => ['', 'identity'].includes(name.trim()))
}

const tooLarge = (bytesMax: number): BodyRefusal => ({
  status: 413,
  message: `The body is larger than ${bytesMax} bytes. Send several smaller requests.`,
  isLast: true,
})

/**
 * Reads a body, up to the limit. The length that the headers gave may be missing or wrong.
 *
 * @param onReceived called with the bytes that have come while the body is incomplete, and with 0 at its end.
 * @param done given the text; why it was refused; or undefined when the client left before the end.
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  onReceived: (bytes: number) => void,
  done: (body: string | BodyRefusal | undefined) => unknown,
): void {
  const chunks: Buffer[] = []
  let bytes = 0
  const length = Number(request.headers['content-length'])
  const end = (body: string | BodyRefusal | undefined) => {
    request.off('data', take).off('end', finish).off('close', leave)
    onReceived(0)
    done(body)
  }
  const take = (chunk: Buffer) => {
    bytes += chunk.length
    chunks.push(chunk)
    if (bytes <= bytesMax) {
      if (bytes !== length) onReceived(bytes)
      return
    }
    end(tooLarge(bytesMax))
    // The rest is discarded until the connection closes behind the answer.
    request.resume()
  }
  const finish = () => end(decode(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
  const leave = () => end(undefined)
  request
    .on('data', take)
    .on('end', finish)
    .on('close', leave)
    .on('error', () => {})
}

/** A byte order mark at the start is skipped, as RFC 8259 (8.1) allows. */
function decode(bytes: Buffer): string | BodyRefusal {
  if (!isUtf8(bytes)) return { status: 400, message: 'The body is not valid UTF-8. Send JSON encoded as UTF-8.' }
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return bytes.toString('utf8', hasMark ? 3 : 0)
}
