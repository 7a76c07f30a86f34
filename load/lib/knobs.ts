/** How many virtual users a suite has, unless `VUS` says otherwise. */
export function virtualUsers(byDefault: number): number {
  return Number(__ENV.VUS || byDefault)
}

/** How long a suite loads, unless `DURATION` says otherwise (`30`, `30s` or `2m`), in seconds. */
export function durationSeconds(byDefault: number): number {
  const [, count, unit] = /^(\d+)([sm]?)$/.exec(__ENV.DURATION ?? '') ?? []
  return count ? Number(count) * (unit === 'm' ? 60 : 1) : byDefault
}
