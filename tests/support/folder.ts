import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** An empty folder for all tests of a file, removed after the last of them. */
export function useFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'thesaurum-test-'))
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}
