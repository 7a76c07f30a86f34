import type { Auth } from '../auth/auth.ts'
import type { Viewer } from '../auth/model/viewer.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { createLoaders, type Loaders } from './loaders.ts'
import { Slices } from './slices.ts'

/** Who sent an operation. */
export interface Caller {
  viewer: Viewer
  /** What they showed for it; null: nothing, and they are nobody. */
  token: string | null
  /** The address they come from. */
  client: string
}

/** What every resolver is given; made anew for each operation. */
export interface Context extends Caller {
  ledger: Ledger
  auth: Auth
  loaders: Loaders
  slices: Slices
  /** Codes of the typed errors that the operation was answered with, for the log. */
  refusals: string[]
  /** For whoever sent no token: a further sentence that says where there is one, with a space before it; or empty. */
  tokenHint: string
}

export function createContext(
  ledger: Ledger,
  auth: Auth,
  { viewer, token, client }: Caller,
  tokenHint: string,
): Context {
  const slices = new Slices()
  return {
    ledger,
    auth,
    viewer,
    token,
    client,
    loaders: createLoaders(ledger, slices),
    slices,
    refusals: [],
    tokenHint,
  }
}
