import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AccountId, toAccountId } from '../../db/ids.ts'
import { type Listener, openListener } from '../../db/listener.ts'
import { bytesOfUuid, uuidOfBytes } from '../model/uuid-bytes.ts'

/*
 * Hints between server processes, by NOTIFY: "these accounts may have new entries, look again". Postings that come while a
 * hint is being sent are gathered into the next one. A lost hint delays entries until the feed's next poll; it loses none.
 */

const CHANNEL = 'thesaurum_posted'
/** Accounts in one hint. With more, the hint says "any account". PostgreSQL allows 8,000 bytes. */
const NOTIFY_ACCOUNTS_MAX = 200
/** The least time between two hints, since each costs PostgreSQL a transaction. A hint after a pause is sent at once. */
const PAUSE_MS = 20
/** A connection that is silent for so long has lost the hint. */
const NOTIFY_TIMEOUT_MS = 3_000
/** The pause after a hint that could not be sent. It is sent again, with those that came meanwhile. */
const PAUSE_AFTER_FAILURE_MS = 1_000

const SENDER_BYTES = 8
const ACCOUNT_CHARACTERS = 22

export interface HintsOptions {
  url: string
  /** Called when another process has posted, or may have while hints were missed. */
  onHint: (accountIds: AccountId[] | 'any') => void
  onError: (error: unknown) => void
}

export class Hints {
  /** So that a process does not listen to itself. */
  readonly #sender = randomBytes(SENDER_BYTES).toString('hex')
  readonly #listener: Listener
  #posted = new Set<AccountId>()
  #sending: Promise<void> | undefined
  readonly #closing = new AbortController()

  constructor({ url, onHint, onError }: HintsOptions) {
    this.#listener = openListener({
      url,
      channel: CHANNEL,
      onNotification: (payload) => {
        const { sender, accountIds } = readHint(payload)
        if (sender !== this.#sender) onHint(accountIds)
      },
      onListening: () => onHint('any'),
      onError,
    })
  }

  /** Sends a hint to the other processes, soon. */
  send(accountIds: Iterable<AccountId>): void {
    for (const accountId of accountIds) this.#posted.add(accountId)
    if (this.#posted.size > 0 && !this.#closing.signal.aborted) {
      this.#sending ??= this.#send()
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([this.#listener.close(), this.#sending])
  }

  async #send(): Promise<void> {
    while (this.#posted.size > 0) {
      const accountIds = this.#posted
      this.#posted = new Set()
      const isSent = await isSentInTime(this.#listener.notify(writeHint(this.#sender, accountIds)))
      if (this.#closing.signal.aborted) return
      if (!isSent) for (const accountId of accountIds) this.#posted.add(accountId)
      const pauseMs = isSent ? PAUSE_MS : PAUSE_AFTER_FAILURE_MS
      await sleep(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => {})
    }
    // At once: a posting that comes later must start a new round.
    this.#sending = undefined
  }
}

/** Whether the notification was sent in time. */
function isSentInTime(notified: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), NOTIFY_TIMEOUT_MS)
    notified
      .then(
        () => resolve(true),
        () => resolve(false),
      )
      .finally(() => clearTimeout(timer))
  })
}

/** The sender, and then the accounts, each in 22 characters; none: any. */
function writeHint(sender: string, accountIds: ReadonlySet<AccountId>): string {
  if (accountIds.size > NOTIFY_ACCOUNTS_MAX) return sender
  return sender + [...accountIds].map((id) => bytesOfUuid(id).toString('base64url')).join('')
}

function readHint(payload: string): { sender: string; accountIds: AccountId[] | 'any' } {
  const sender = payload.slice(0, 2 * SENDER_BYTES)
  const accountIds: AccountId[] = []
  for (let at = sender.length; at < payload.length; at += ACCOUNT_CHARACTERS) {
    const bytes = Buffer.from(payload.slice(at, at + ACCOUNT_CHARACTERS), 'base64url')
    accountIds.push(toAccountId(uuidOfBytes(bytes)))
  }
  return { sender, accountIds: accountIds.length > 0 ? accountIds : 'any' }
}
