import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take more than some seconds, longest first. */
const LONG_FILES = [
  'command-line',
  'embedded-database',
  'kills',
  'verify',
  'posting-queue',
  'posting-rules',
  'examples',
  'stopping',
  'checkpoints',
  'pages-under-load',
  'server-role',
  'as-of',
  'unknown-outcomes',
  'probes',
  'feed-failures',
  'operator',
  'transaction-feed',
  'sign-in-without-database',
  'sign-in',
  'bad-input',
  'predicted-answers',
  'filters',
  'conservation',
  'throttling',
  'slow-consumer',
  'sessions',
  'resume',
  'hints',
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
