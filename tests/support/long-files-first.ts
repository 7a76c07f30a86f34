import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take more than some seconds, longest first. */
const LONG_FILES = [
  'command-line',
  'embedded-database',
  'conservation',
  'kills',
  'resume',
  'predicted-answers',
  'unknown-outcomes',
  'posting-queue',
  'sign-in-without-database',
  'operator',
  'pages-under-load',
  'verify',
  'checkpoints',
  'posting-rules',
  'as-of',
  'hints',
  'throttling',
  'sessions',
  'examples',
  'sign-in',
]

/**
 * Begins with the files that take long, so that none of them is left to the end while the other workers have nothing to do. Vitest does
 * that by what it remembers of the run before, which a fresh clone has not. `--sequence.shuffle` shuffles as ever.
 */
export class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { shuffle, seed } = this.ctx.config.sequence
    if (shuffle) {
      const place = ({ moduleId }: TestSpecification) => createHash('sha1').update(`${seed} ${moduleId}`).digest('hex')
      return files.toSorted((a, b) => (place(a) < place(b) ? -1 : 1))
    }
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG_FILES.indexOf(basename(moduleId, '.test.ts'))
      return place === -1 ? LONG_FILES.length : place
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}
