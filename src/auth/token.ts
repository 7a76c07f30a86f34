import { createHash, randomBytes } from 'node:crypto'

export type TokenKind = 'session' | 'api'

/** 256 random bits after a prefix by which scanners for leaked secrets can recognize it. */
export function makeToken(kind: TokenKind): string {
  return `thesaurum_${kind}_${randomBytes(32).toString('base64url')}`
}

const TOKEN = /^thesaurum_(session|api)_[A-Za-z0-9_-]{43}$/

/** Which kind of token a text could be; undefined: none. Only the database knows whether it is one. */
export function tokenKindOf(text: string): TokenKind | undefined {
  return TOKEN.exec(text)?.[1] as TokenKind | undefined
}

/** What is stored of a token. A plain hash is enough: nobody can try all values of 256 random bits. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
