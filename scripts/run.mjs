import { bringUpToDate } from './build.mjs'

/* `node scripts/run.mjs <command>`: what npm's scripts run. It builds where that is needed, and then is the command line. */

await bringUpToDate()
await import('../dist/main.js')
