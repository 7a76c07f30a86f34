import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readOperationList } from '../../src/server/graphql/operation-list.ts'

const NAME = 'query Name {\n  __typename\n}'
const WATCH = 'subscription Watch { transactionPosted { cursor } }'
const hashOf = (algorithm: string, text: string) => createHash(algorithm).update(text).digest('hex')

let folder: string
let path: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thesaurum-list-'))
  path = join(folder, 'list.json')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function read(json: unknown) {
  await writeFile(path, typeof json === 'string' ? json : JSON.stringify(json))
  return (await readOperationList(path)).map(({ id, text }) => [id, text])
}

async function complaintsOf(json: unknown): Promise<string[]> {
  const error = await read(json).then(
    () => undefined,
    (error: Error) => error,
  )
  expect(error?.name).toBe('ConfigError')
  return (error as Error).message.split('\n').map((line) => line.replace(`${path}: `, ''))
}

test.each(['md5', 'sha1', 'sha256', 'sha512'])(
  'a key is the %s of its text, with and without that name',
  async (name) => {
    const hash = hashOf(name, NAME)
    for (const key of [hash, `${name}:${hash}`, hash.toUpperCase()])
      expect(await read({ [key]: NAME })).toEqual([[hash, NAME]])
  },
)

test.each([
  ['the hash of another text', hashOf('sha256', WATCH)],
  ['a hash by another name than its own', `sha1:${hashOf('sha256', NAME)}`],
  ['a hash by a name that nobody knows', `crc:${hashOf('sha256', NAME)}`],
  ['a hash of another kind', hashOf('sha384', NAME)],
  ['a hash that is cut short', hashOf('sha256', NAME).slice(1)],
  ['a name', 'Name'],
  ['empty', ''],
])('a key that is %s is refused', async (_what, key) => {
  const [complaint, ...rest] = await complaintsOf({ [key]: NAME })
  expect(rest).toEqual([])
  expect(complaint).toBe(
    `entry "${key}": its key is not the MD5, SHA-1, SHA-256 or SHA-512 of its text. Other ids are not accepted: set your tool to SHA-256.`,
  )
})

test('all that is wrong is named at once, with its entry and the reason', async () => {
  const broken = 'query {'
  const fragment = 'fragment A on User { id }'
  const json = {
    [hashOf('sha256', NAME)]: NAME,
    [hashOf('sha1', broken)]: broken,
    [hashOf('sha256', fragment)]: fragment,
    one: WATCH,
    two: null,
  }
  expect(await complaintsOf(json)).toEqual([
    `entry "${hashOf('sha1', broken)}": Syntax Error: Expected Name, found <EOF>.`,
    `entry "${hashOf('sha256', fragment)}": its text has no operation.`,
    expect.stringMatching(/^entry "one": its key is not/),
    'entry "two": its value is not the text of a document.',
  ])
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`key${index}`, NAME]))
  const complaints = await complaintsOf(many)
  expect(complaints).toHaveLength(21)
  expect(complaints.at(-1)).toBe('… and 80 more.')
})

test('a document that the schema refuses is named, with the line', async () => {
  const old = 'query Old {\n  ledger {\n    profit\n  }\n  ledgers { id }\n}'
  const label = `entry "${hashOf('sha256', old)}"`
  expect(await complaintsOf({ [hashOf('sha256', NAME)]: NAME, [hashOf('sha256', old)]: old })).toEqual([
    `${label}, line 3: Cannot query field "profit" on type "Ledger".`,
    expect.stringContaining(`${label}, line 5: Cannot query field "ledgers" on type "Query".`),
  ])
  const entry = { id: hashOf('sha256', old), name: 'Old', type: 'query', body: old }
  const [first] = await complaintsOf(manifest(entry))
  expect(first).toBe('operations[0] (Old), line 3: Cannot query field "profit" on type "Ledger".')
})

test('a byte order mark before the JSON is passed over', async () => {
  expect(await read(`\ufeff${JSON.stringify({ [hashOf('sha256', NAME)]: NAME })}`)).toHaveLength(1)
})

const manifest = (...operations: unknown[]) => ({ format: 'apollo-persisted-query-manifest', version: 1, operations })
const name = { id: hashOf('sha256', NAME), name: 'Name', type: 'query', body: NAME }
const watch = { id: hashOf('sha256', WATCH), name: 'Watch', type: 'subscription', body: WATCH }

test("Apollo's manifest is read", async () => {
  expect(await read(manifest(name, watch))).toEqual([
    [name.id, NAME],
    [watch.id, WATCH],
  ])
  expect(await read(manifest())).toEqual([])
})

test.each<[string, unknown, string]>([
  ['another format', { ...manifest(name), format: 'other' }, 'its format is not apollo-persisted-query-manifest.'],
  ['no format', { version: 1, operations: [name] }, 'its format is not apollo-persisted-query-manifest.'],
  ['another version', { ...manifest(name), version: 2 }, 'its version is not 1.'],
  ['no list', { ...manifest(), operations: {} }, 'its operations are not a list.'],
  ['something else in it', manifest(name, 5), 'operations[1]: it is not an object.'],
  ['an id that is no text', manifest({ ...name, id: 5 }), 'operations[0]: its id is not a text.'],
  ['no body', manifest({ ...name, body: undefined }), 'operations[0]: its body is not a text.'],
  [
    'another type',
    manifest({ ...name, type: 'other' }),
    'operations[0] (Name): its body has no operation of this name and type.',
  ],
  ['an id of its own', manifest(name, { ...watch, id: '1' }), 'operations[1] (Watch): its key is not the MD5,'],
  ['another name', manifest({ ...name, name: 'Other' }), 'operations[0] (Other): its body has no operation of this'],
  ['another kind', manifest({ ...name, type: 'mutation' }), 'operations[0] (Name): its body has no operation of this'],
])("Apollo's manifest with %s is refused, with the entry and the reason", async (_what, json, complaint) => {
  const [first, ...rest] = await complaintsOf(json)
  expect(rest).toEqual([])
  expect(first?.startsWith(complaint), first).toBe(true)
})
