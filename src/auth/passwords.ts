import { hash } from '@node-rs/argon2'

/** OWASP's minimum for argon2id, which is the library's own algorithm unless told otherwise: 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** Each hash takes 19 MiB and a core for some 30 ms: more at once would only slow each other, and the ledger, down. */
const HASHES_AT_ONCE_MAX = 2

let running = 0
const waiting: (() => void)[] = []

/** Hashes a password with argon2id, a few at a time, off the main thread. */
export async function hashPassword(password: string): Promise<string> {
  if (running >= HASHES_AT_ONCE_MAX) await new Promise<void>((resume) => waiting.push(resume))
  else running++
  try {
    return await hash(password.normalize('NFKC'), PARAMETERS)
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}
