/** How many virtual users a suite has, unless `VUS` says otherwise. */
export function virtualUsers(standard: number): number {
  return Number(__ENV.VUS || standard)
}

/** How long a suite loads, unless `DURATION` says otherwise (`30`, `30s` or `2m`), in seconds. */
export function durationSeconds(standard: number): number {
  const [, count, unit] = /^(\d+)([sm]?)$/.exec(__ENV.DURATION ?? '') ?? []
  return count ? Number(count) * (unit === 'm' ? 60 : 1) : standard
}
