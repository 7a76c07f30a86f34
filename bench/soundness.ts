import pg from 'pg'
import { readConfig } from '../src/config.ts'
import { openLedger } from '../src/ledger/ledger.ts'
import { ledgerOptions } from '../src/server/options.ts'

/** Recomputes the ledger after a benchmark, and says what it found: a rate of wrong postings is worth nothing. */
export async function checkSoundness(
  url: string,
  { acknowledged, failed }: { acknowledged: number; failed: number },
): Promise<string> {
  const ledger = await openLedger(ledgerOptions(readConfig({}), url, console.error))
  const findings = await ledger.verify().finally(() => ledger.close())
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ transfers: string; deposits: string; balances: string }>(`
    select count(source_account_id) as transfers, sum(amount) filter (where source_account_id is null) as deposits,
      (select sum(get_current_balance(id)) from accounts) as balances
    from transactions`)
  await client.end()
  const { transfers, deposits, balances } = rows[0] as (typeof rows)[number]
  // One that failed for its client may have been posted all the same.
  const isComplete = Number(transfers) >= acknowledged && Number(transfers) <= acknowledged + failed
  const number = (value: string | number) => BigInt(value).toLocaleString('en')
  return [
    findings.length === 0 ? 'The ledger is sound.' : `THE LEDGER IS NOT SOUND: ${JSON.stringify(findings.slice(0, 5))}`,
    balances === deposits
      ? `All balances together are all deposits: ${number(balances)} cents.`
      : `MONEY IS NOT CONSERVED: balances of ${number(balances)} cents, deposits of ${number(deposits)}.`,
    isComplete
      ? `${number(transfers)} transfers are in it; ${number(acknowledged)} were acknowledged.`
      : `TRANSFERS ARE MISSING OR TOO MANY: ${number(transfers)} are in it, ${number(acknowledged)} were acknowledged and ${number(failed)} failed.`,
  ].join('\n')
}
