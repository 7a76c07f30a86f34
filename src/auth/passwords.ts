import { hash, verify } from '@node-rs/argon2'
import { HashQueueFullError } from './model/sign-in-errors.ts'

/** OWASP's minimum for argon2id, which is the library's default algorithm: 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** Each hash takes 19 MiB and a core for some 30 ms. More at once would only slow down each other and the ledger. */
const HASHES_AT_ONCE_MAX = 1
/** While others wait, each hash is followed by a pause of so many times its own duration, which leaves the core to transfers. */
const REST_SHARE = 3
/** Clients do not wait longer than some seconds. */
const HASHES_WAITING_MAX = 100

let running = 0
const waiting: (() => void)[] = []

/** Runs off the main thread, a few at a time, in order of arrival. */
async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (running < HASHES_AT_ONCE_MAX) running++
  else if (waiting.length >= HASHES_WAITING_MAX) throw new HashQueueFullError('too many passwords wait to be hashed')
  else await new Promise<void>((resume) => waiting.push(resume))
  const begunAt = performance.now()
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next) setTimeout(next, REST_SHARE * (performance.now() - begunAt))
    else running--
  }
}

/**
 * Hashes a password with argon2id.
 *
 * @throws {HashQueueFullError}
 */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password.normalize('NFKC'), PARAMETERS))
}

/** The hash of a password that nobody has. */
let nobodysHash: Promise<string> | undefined

/**
 * Whether the password is right. Without a hash (the user does not exist, or cannot sign in) it is wrong, and the answer
 * takes as long.
 *
 * @throws {HashQueueFullError}
 */
export function verifyPassword(passwordHash: string | null, password: string): Promise<boolean> {
  return inTurn(async () => {
    const matches = await verify(passwordHash ?? (await hashOfNobody()), password.normalize('NFKC'))
    return matches && passwordHash !== null
  })
}

/** Made beforehand: otherwise the first unknown user would wait twice as long. */
export function hashOfNobody(): Promise<string> {
  nobodysHash ??= hash(makeNobodysPassword(), PARAMETERS)
  return nobodysHash
}

function makeNobodysPassword(): Buffer {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32)))
}
