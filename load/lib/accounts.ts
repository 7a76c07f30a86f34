import { SharedArray } from 'k6/data'
import type { Account } from '../runner/accounts.ts'

export type { Account }

/**
 * The accounts that the runner has made. They come by a file and not from `setup`, whose answer is copied into each virtual user:
 * a thousand copies of ten thousand ids.
 */
export const accounts = new SharedArray('accounts', () => JSON.parse(open(__ENV.ACCOUNTS_FILE as string)) as Account[])

export function randomBelow(bound: number): number {
  return Math.floor(Math.random() * bound)
}

/** One of those numbered `from` up to `to` (not included). */
export function anyAccount(from = 0, to = accounts.length): Account {
  return accounts[from + randomBelow(to - from)] as Account
}
