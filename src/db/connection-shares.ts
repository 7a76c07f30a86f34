/*
 * How many connections to the database each part of one server process may have. A share is a limit: connections are opened
 * when they are needed, and closed when they were idle for a minute. `listening` is always open.
 */

interface Need {
  /** With fewer the part does not work. */
  least: number
  /** With more it does not work better, as far as we have measured. Only reads take what is left over. */
  most: number
}

const NEEDS = {
  /** One for each lane, and one more for viewers who have nothing in flight. Past three lanes batches only get smaller. */
  posting: { least: 2, most: 4 },
  /** One for each locked account. The calls for more locked accounts take turns. */
  waiting: { least: 1, most: 8 },
  /** Checkpoints, failed attempts, and changes of accounts. */
  recording: { least: 1, most: 2 },
  reading: { least: 2, most: 10 },
  /** A verification, and the rebuilding of checkpoints beside it. */
  verifying: { least: 2, most: 2 },
  /** Reads that wait for a locked account. */
  settling: { least: 1, most: 2 },
  /** What subscribers wait for. */
  feeding: { least: 1, most: 3 },
  /** Tokens, which every request waits for. */
  checking: { least: 1, most: 2 },
  signingIn: { least: 1, most: 2 },
  cleaning: { least: 1, most: 1 },
  /** To listen to other processes, and to notify them. */
  listening: { least: 2, most: 2 },
} as const satisfies Record<string, Need>

export type ConnectionShares = Readonly<Record<keyof typeof NEEDS, number>>

const PARTS = Object.keys(NEEDS) as (keyof typeof NEEDS)[]

/** The fewest connections that a process needs, and what it can use without large numbers of reads. */
export const CONNECTIONS_MIN = PARTS.reduce((sum, part) => sum + NEEDS[part].least, 0)
export const CONNECTIONS_DEFAULT = PARTS.reduce((sum, part) => sum + NEEDS[part].most, 0)

/**
 * Divides the connections of one process among its parts. Each has its least. What is left is dealt out in proportion to
 * what each part can use, so that no part has fewer when there are more in all.
 *
 * @param total at least CONNECTIONS_MIN.
 */
export function shareConnections(total: number): ConnectionShares {
  if (total < CONNECTIONS_MIN) throw new RangeError(`a process needs ${CONNECTIONS_MIN} connections to the database`)
  const shares = Object.fromEntries(PARTS.map((part) => [part, NEEDS[part].least])) as Record<
    keyof typeof NEEDS,
    number
  >
  for (let left = total - CONNECTIONS_MIN; left > 0; left--) shares[neediest(shares)]++
  return shares
}

/** The part that has the smallest share of what it can use on top of its least (D'Hondt's method). */
function neediest(shares: ConnectionShares): keyof typeof NEEDS {
  let neediest: keyof typeof NEEDS = 'reading'
  let greatest = 0
  for (const part of PARTS) {
    const { least, most } = NEEDS[part]
    const need = shares[part] < most ? (most - least) / (shares[part] - least + 1) : 0
    if (need > greatest) {
      greatest = need
      neediest = part
    }
  }
  return neediest
}
