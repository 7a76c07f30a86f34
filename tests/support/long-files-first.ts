import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take more than some seconds, longest first. */
const LONG_FILES = [
  'embedded-commands',
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
 *
 * Files that share a process are kept together, behind the others: a worker ends when the next file is not of its kind.
 */
export class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { shuffle, seed } = this.ctx.config.sequence
    const sharesProcess = ({ project }: TestSpecification) => Number(!project.config.isolate)
    if (shuffle) {
      const place = ({ moduleId }: TestSpecification) => createHash('sha1').update(`${seed} ${moduleId}`).digest('hex')
      return files.toSorted((a, b) => sharesProcess(a) - sharesProcess(b) || (place(a) < place(b) ? -1 : 1))
    }
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG_FILES.indexOf(basename(moduleId, '.test.ts'))
      return place === -1 ? LONG_FILES.length : place
    }
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => sharesProcess(a) - sharesProcess(b) || rank(a) - rank(b))
  }
}
