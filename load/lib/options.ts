import type { Options, Scenario } from 'k6/options'

/**
 * What every suite has in common: right answers first, then latency. `p99Ms` is the bound of each operation by its tag; that it
 * was asked for at all is a threshold too, since a suite that did nothing has proved nothing.
 */
export function suiteOptions(
  scenarios: Record<string, Scenario>,
  p99Ms: Record<string, number>,
  more: Record<string, string[]> = {},
): Options {
  const thresholds: Record<string, string[]> = {
    checks: ['rate==1'],
    failures: ['count==0'],
    conserved: ['count==1'],
    ...more,
  }
  for (const [operation, ms] of Object.entries(p99Ms)) {
    thresholds[`http_reqs{operation:${operation}}`] = ['count>0']
    thresholds[`http_req_duration{operation:${operation}}`] = [`p(99)<${__ENV.P99_MS || ms}`]
  }
  return {
    scenarios,
    thresholds,
    summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
    teardownTimeout: '120s',
  }
}
