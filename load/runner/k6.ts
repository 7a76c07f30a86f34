import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

export const HOW_TO_GET_K6 =
  "k6 is not here: get it with `go install go.k6.io/k6@latest`, or as your system's package " +
  '(https://grafana.com/docs/k6/latest/set-up/install-k6/), and run this again.'

/** Where k6 is: on the PATH, or where `go install` leaves it; undefined: nowhere. */
export function findK6(): string | undefined {
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return [...onPath, ...goFolders()].map((folder) => join(folder, 'k6')).find(isExecutable)
}

function goFolders(): string[] {
  const { stdout } = spawnSync('go', ['env', 'GOBIN', 'GOPATH'], { encoding: 'utf8' })
  const [bin, ...paths] = (stdout ?? '').trimEnd().split('\n')
  const folders = paths.flatMap((path) => path.split(delimiter)).filter((path) => path !== '')
  return [...(bin ? [bin] : []), ...folders.map((folder) => join(folder, 'bin')), join(homedir(), 'go', 'bin')]
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
