import type { Ledger } from '../ledger/ledger.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** What every resolver is given; made anew for each operation. */
export interface Context {
  ledger: Ledger
  loaders: Loaders
}

export function createContext(ledger: Ledger): Context {
  return { ledger, loaders: createLoaders(ledger) }
}
