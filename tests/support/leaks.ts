/*
 * Which secrets went to a server, and what it said that must repeat none of them. Both are kept as texts, and compared at the end.
 */

/** What is shorter stands in words that have nothing to do with it. */
const SECRET_LENGTH_MIN = 8

const SECRET_NAMES = new Set(['password', 'email', 'token'])
const SECRET_LITERAL = /\b(?:password|email)\s*:\s*"((?:[^"\\]|\\.)*)"/g

export class Leaks {
  readonly #secrets = new Set<string>()
  readonly #told = new Map<string, string>()
  readonly #logs: (readonly string[])[] = []

  /** A header, or what `connection_init` shows in its place. */
  learnAuthorization(value: unknown): void {
    if (typeof value === 'string') this.#learn(value.replace(/^Bearer +/i, ''))
  }

  /** The body of a request, or a message to a socket. */
  learnSent(text: string): void {
    for (const [, literal] of text.replaceAll('\\"', '"').matchAll(SECRET_LITERAL)) this.#learn(literal)
    this.#learnWithin(parsed(text))
  }

  /** An answer, or a message from a socket: the token in it is a secret, and no error of it may tell one. */
  hear(text: string, from: string): void {
    const answer = parsed(text)
    this.#learnTokens(answer)
    for (const told of errorsWithin(answer)) this.#told.set(told, from)
  }

  /** Words that are no JSON: the reason of a close. */
  hearWords(text: string, from: string): void {
    if (text) this.#told.set(text, from)
  }

  /** A log, which may go on growing. */
  watchLog(lines: readonly string[]): void {
    this.#logs.push(lines)
  }

  /** What was told of secrets: where, and the words around it. */
  found(): string[] {
    const places = [
      ...this.#logs.flatMap((lines) => lines.map((text) => ({ text, from: 'the log' }))),
      ...[...this.#told].map(([text, from]) => ({ text, from })),
    ]
    const all = places.map(({ text }) => text).join('\n')
    const leaked = [...this.#secrets].filter((secret) => all.includes(secret))
    return leaked.flatMap((secret) =>
      places.filter(({ text }) => text.includes(secret)).map(({ text, from }) => `"${secret}" in ${from}: ${text}`),
    )
  }

  #learn(value: unknown): void {
    if (typeof value === 'string' && value.length >= SECRET_LENGTH_MIN) this.#secrets.add(value)
  }

  #learnWithin(value: unknown): void {
    for (const [name, item] of entriesWithin(value)) {
      if (SECRET_NAMES.has(name)) this.#learn(item)
      if (name.toLowerCase() === 'authorization') this.learnAuthorization(item)
    }
  }

  #learnTokens(value: unknown): void {
    for (const [name, item] of entriesWithin(value)) if (name === 'token') this.#learn(item)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Every named value at any depth. Not by recursion: tests send what is nested deeper than the stack. */
function* entriesWithin(value: unknown): Generator<[name: string, item: unknown]> {
  const left = [value]
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next !== 'object' || next === null) continue
    for (const [name, item] of Object.entries(next)) {
      yield [name, item]
      left.push(item)
    }
  }
}

/** The errors of an answer, of an `error` message, and those that are data: what has a code and a message. */
function* errorsWithin(value: unknown): Generator<string> {
  const { type, payload } = (value ?? {}) as { type?: unknown; payload?: unknown }
  if (type === 'error') yield JSON.stringify(payload)
  for (const [name, item] of [['', value] as [string, unknown], ...entriesWithin(value)]) {
    if (name === 'errors' && item) yield JSON.stringify(item)
    if (typeof item !== 'object' || item === null) continue
    const { code, message, fields } = item as Record<string, unknown>
    // Its other fields are data: the account of a failed attempt has an address.
    if (typeof code === 'string' && typeof message === 'string') yield JSON.stringify({ code, message, fields })
  }
}
