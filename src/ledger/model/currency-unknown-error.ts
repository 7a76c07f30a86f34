import { ExpectedError } from './expected-error.ts'

/** The ledger does not have a currency with this code. */
export class CurrencyUnknownError extends ExpectedError {
  override name = 'CurrencyUnknownError'
  constructor() {
    super('There is no such currency.')
  }
}
