import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** A Chromium that can reach nothing but loopback: every other name fails to resolve. */
export function openChromium(): Promise<Browser> {
  if (!existsSync(executablePath)) {
    throw new Error(
      `The browser tests drive Chromium, and there is none at ${executablePath}. ` +
        'Install it (Debian, Ubuntu: apt-get install chromium) or set CHROMIUM_PATH to the one you have.',
    )
  }
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-background-networking',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
    ],
  })
}
