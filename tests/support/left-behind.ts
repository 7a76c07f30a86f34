import { afterAll, expect, vi } from 'vitest'

/* Test files share a process. Each of them leaves it as it found it. */

const environment = { ...process.env }

afterAll(() => {
  expect(vi.isFakeTimers(), 'fake timers are left behind').toBe(false)
  expect({ ...process.env }, 'the environment was changed').toEqual(environment)
})
