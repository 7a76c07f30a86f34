import type { Auth } from '../auth/auth.ts'
import type { Viewer } from '../auth/model/viewer.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { createLoaders, type Loaders } from './loaders.ts'
import { Slices } from './slices.ts'

/** Who sent an operation. */
export interface Caller {
  viewer: Viewer
  /** The token that they sent; null: none, so they are nobody. */
  token: string | null
  /** The address they come from. */
  client: string
}

/** The context of every resolver. Each operation has its own. */
export interface Context extends Caller {
  ledger: Ledger
  auth: Auth
  loaders: Loaders
  slices: Slices
  /** The codes of the typed errors in the answer, for the log. */
  refusals: string[]
  /** For callers without a token: a further sentence that says where to find one, with a space before it; or empty. */
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
