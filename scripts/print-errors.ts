import { errorsPage } from './errors-page.ts'

/* `npm run errors`: prints docs/errors.md. */

process.stdout.write(errorsPage())
