import { readFile } from 'node:fs/promises'

/** What V8 writes with --cpu-prof. Times in microseconds, of the clock of `process.hrtime`. */
interface Recorded {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  startTime: number
  samples: number[]
  timeDeltas: number[]
}

/** Where a process spent its time, by self time in microseconds. */
export interface CpuProfile {
  idle: number
  buckets: Map<string, number>
  functions: Map<string, number>
}

/** Reads a profile's part between two readings of `process.hrtime`, in microseconds. */
export async function readCpuProfile(path: string, from: number, to: number): Promise<CpuProfile> {
  const { nodes, startTime, samples, timeDeltas }: Recorded = JSON.parse(await readFile(path, 'utf8'))
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const profile: CpuProfile = { idle: 0, buckets: new Map(), functions: new Map() }
  let time = startTime
  for (const [index, id] of samples.entries()) {
    time += timeDeltas[index] as number
    if (time < from || time > to) continue
    const frame = frames.get(id) as Recorded['nodes'][number]['callFrame']
    // A sample stands for the time until the next one.
    const self = timeDeltas[index + 1] ?? 0
    if (frame.functionName === '(idle)') profile.idle += self
    else {
      add(profile.buckets, bucketOf(frame), self)
      add(profile.functions, nameOf(frame), self)
    }
  }
  return profile
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value)
}

const FAMILIES: readonly [bucket: string, packages: RegExp][] = [
  ['Yoga', /^(graphql-yoga|@graphql-yoga|@whatwg-node|@envelop|@graphql-tools)\b/],
  ['pg', /^(pg|pg-.*|postgres-.*)$/],
  ['Pothos', /^@pothos\b/],
]

const NODE: readonly [bucket: string, modules: RegExp][] = [
  ['node: http', /^node:(_http|internal\/http|https?$)/],
  ['node: sockets and streams', /^node:(net|stream|_stream|internal\/(streams?|js_stream|net)|internal\/stream_base)/],
  ['node: web streams, fetch, URL', /^node:internal\/(webstreams|deps\/undici|url|abort_controller|event_target)/],
  ['node: crypto', /^node:(crypto|internal\/crypto)/],
  ['node: timers, promises, hooks', /^node:(async_hooks|internal\/(timers|process|async_hooks|async_local))/],
]

/** The socket's system calls, as libuv makes them for JavaScript. */
const SOCKET_WRITE = /^(writev|writeBuffer|write(Latin1|Utf8|Ascii|Ucs2)String|shutdown)$/

function bucketOf({ functionName, url }: Recorded['nodes'][number]['callFrame']): string {
  const [, packageName] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? []
  if (packageName) return FAMILIES.find(([, packages]) => packages.test(packageName))?.[0] ?? packageName
  if (url.startsWith('node:')) return NODE.find(([, modules]) => modules.test(url))?.[0] ?? 'node: other'
  const [, room] = /\/(?:dist|src)\/([\w-]+)/.exec(url) ?? []
  if (room) return `src/${room}`
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (functionName === '(program)') return 'outside JavaScript: the kernel, libuv, V8'
  return SOCKET_WRITE.test(functionName) ? 'socket writes' : 'native functions'
}

function nameOf({ functionName, url, lineNumber }: Recorded['nodes'][number]['callFrame']): string {
  const place = url.includes('/node_modules/')
    ? url.replace(/.*\/node_modules\//, '')
    : url.replace(/.*\/(dist|src)\//, 'src/')
  return `${functionName || '(anonymous)'}${place ? ` ${place}:${lineNumber + 1}` : ''}`
}
