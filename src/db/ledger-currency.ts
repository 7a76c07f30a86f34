import type pg from 'pg'
import { constraintOf, SQLSTATE, sqlstateOf } from './sqlstate.ts'
import { UnsuitableDatabaseError } from './unsuitable-database-error.ts'

/*
 * The ledger's currency: that of accounts that are made without naming one. The migration that makes currencies records it.
 * It may change until the first transaction.
 */

/** Says which currency the migrations in this session are to record. Without one they record USD. */
export async function passLedgerCurrency(client: pg.Client, code: string | undefined): Promise<void> {
  await client.query(`select set_config('thesaurum.ledger_currency', $1, false)`, [code ?? ''])
}

/** Whether a migration failed because the currency that was passed to it is not known. */
export const isUnknownCurrency = (error: unknown) => constraintOf(error) === 'ledger_currency_currencies_code_fk'

export const UNKNOWN_CURRENCY =
  'LEDGER_CURRENCY is not a currency of this ledger. Set it to a code of ISO 4217, such as EUR, or to one that an operator has added.'

/**
 * Makes this the ledger's currency, and that of each main account that is in the one before. Does nothing if it is already.
 *
 * @throws {UnsuitableDatabaseError} if there is no such currency, or if it would change and there are transactions.
 */
export async function setLedgerCurrency(client: pg.Client, code: string): Promise<void> {
  if (!(await mustChange(client, code))) return
  // New users, new accounts and postings wait. What they wrote until now is seen by the second look. The tables are locked in
  // the order in which those lock them, so there are no deadlocks: a posting locks the rows of accounts first.
  await client.query(`begin isolation level read committed; set local lock_timeout = '10s'`)
  await client
    .query('lock table public.users, public.accounts, public.transactions in exclusive mode')
    .catch((error) => {
      const sentence = LOCK_SENTENCES[sqlstateOf(error) ?? '']
      throw sentence === undefined ? error : new UnsuitableDatabaseError(sentence, { cause: error })
    })
  if (await mustChange(client, code)) {
    await client.query(
      `update public.accounts set currency = $1, updated_at = now()
       from private.ledger where accounts.id = accounts.owner_id and accounts.currency = ledger.currency`,
      [code],
    )
    await client.query('update private.ledger set currency = $1', [code])
  }
  await client.query('commit')
}

const LOCK_SENTENCES: Readonly<Record<string, string>> = {
  [SQLSTATE.LOCK_NOT_AVAILABLE]:
    'LEDGER_CURRENCY cannot be applied, since another session has used the users, accounts or transactions for 10 seconds. Start again when it has ended.',
  [SQLSTATE.INSUFFICIENT_PRIVILEGE]:
    'LEDGER_CURRENCY is not the currency of this ledger, and the role in DATABASE_URL may not change that. Run `npm run db:migrate` (`thesaurum migrate`) with this LEDGER_CURRENCY as the owner of the database.',
}

/** Whether the ledger has another currency, and may get this one. */
async function mustChange(client: pg.Client, code: string): Promise<boolean> {
  const { rows } = await client.query(
    `select currency, exists (select from public.currencies where code = $1) as known,
            exists (select from public.transactions) as fixed
     from private.ledger where currency <> $1`,
    [code],
  )
  const [other] = rows
  if (other === undefined) return false
  const { currency, known, fixed } = other
  if (!known) throw new UnsuitableDatabaseError(UNKNOWN_CURRENCY)
  if (fixed) {
    throw new UnsuitableDatabaseError(
      `LEDGER_CURRENCY is not the currency of this ledger, which is ${currency} and cannot change any more, since there are transactions. Set it to ${currency} or remove it.`,
    )
  }
  return true
}
