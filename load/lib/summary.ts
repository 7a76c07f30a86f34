interface Metric {
  values: Record<string, number>
  thresholds?: Record<string, { ok: boolean }>
}

interface Summary {
  metrics: Record<string, Metric>
  state: { testRunDurationMs: number }
}

/** The end of a run, in about a dozen lines. k6's own summary has as many for each metric, and its usual helper is a download. */
export function handleSummary({ metrics, state }: Summary): { stdout: string } {
  const count = (name: string) => metrics[name]?.values.count ?? 0
  const ms = (value: number | undefined) => (value === undefined ? '-' : `${value.toFixed(1)}`)
  const times = ({ values }: Metric) =>
    `p50 ${ms(values.med)} ms, p95 ${ms(values['p(95)'])} ms, p99 ${ms(values['p(99)'])} ms, longest ${ms(values.max)} ms`

  const lines = [['time', `${(state.testRunDurationMs / 1_000).toFixed(1)} s`]]
  lines.push(['requests', `${count('http_reqs')}, ${metrics.http_reqs?.values.rate?.toFixed(0) ?? 0}/s`])
  for (const [name, metric] of Object.entries(metrics)) {
    const operation = /^http_req_duration\{operation:(\w+)\}$/.exec(name)?.[1]
    if (operation) lines.push([`  ${operation}`, times(metric)])
  }
  if (metrics.frames) {
    lines.push(['frames', `${count('frames')}, ${metrics.frames.values.rate?.toFixed(0)}/s`])
    if (metrics.frame_time) lines.push(['  commit to frame', times(metrics.frame_time)])
  }
  const { passes = 0, fails = 0 } = metrics.checks?.values ?? {}
  lines.push(['checks', `${passes} right, ${fails} wrong`])
  lines.push(['refusals', `${count('refusals')}, as expected`])
  lines.push(['replays', String(count('replays'))])
  lines.push(['failures', String(count('failures'))])
  lines.push(['conservation', count('conserved') === 1 ? 'holds' : 'NOT SHOWN'])
  for (const [name, { thresholds = {} }] of Object.entries(metrics)) {
    for (const [rule, { ok }] of Object.entries(thresholds)) if (!ok) lines.push(['MISSED', `${name} ${rule}`])
  }
  return { stdout: `\n${lines.map(([title = '', text]) => `${title.padEnd(18)}${text}`).join('\n')}\n` }
}
