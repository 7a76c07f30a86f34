import { vi } from 'vitest'

/**
 * How long a test waits for what must come. It ends a test that hangs, and no machine is so busy that it ends another one. What is promised
 * to be fast is measured by `npm run test:hostile`.
 */
export const PATIENCE_MS = 120_000

declare global {
  var waitsWithPatience: boolean | undefined
}

// Once a process, which runs many files.
if (!globalThis.waitsWithPatience) {
  globalThis.waitsWithPatience = true
  const { waitFor } = vi
  /** `vi.waitFor` with this patience: its own is one second. */
  vi.waitFor = (look, options) =>
    waitFor(look, { timeout: PATIENCE_MS, ...(typeof options === 'number' ? { timeout: options } : options) })
}
