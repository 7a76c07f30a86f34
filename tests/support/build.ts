import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the build that tests start in processes of their own: it holds `dist/main.js`. */
    build: string
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Once for all tests: a build of the sources as they are now. It is in a folder of its own outside the checkout, so that runs side by side
 * never see each other's half-written files, and `dist` stays what it is.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-build-'))
  // A program of the tests gives up root, and goes on to load what is in here.
  await chmod(folder, 0o755)
  // The build finds these beside `dist`.
  for (const name of ['package.json', 'node_modules', 'drizzle']) await symlink(join(ROOT, name), join(folder, name))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const options = ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')]
  try {
    await promisify(execFile)(process.execPath, [compiler, ...options], { cwd: ROOT })
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    // The compiler prints what is wrong on stdout.
    throw new Error(`The build failed:\n${(error as { stdout?: string }).stdout ?? ''}`, { cause: error })
  }
  project.provide('build', folder)
  return () => rm(folder, { recursive: true, force: true })
}
