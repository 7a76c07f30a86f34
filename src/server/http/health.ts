import type { Ledger } from '../../ledger/ledger.ts'

const HEALTH_TIMEOUT_MS = 2_000

/** Whether the database answers, within a time a load balancer would wait. */
export async function isHealthy(ledger: Ledger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, HEALTH_TIMEOUT_MS, false)
  })
  const answered = ledger.ping().then(
    () => true,
    () => false,
  )
  const healthy = await Promise.race([answered, late])
  clearTimeout(timer)
  return healthy
}
