import { readFile } from 'node:fs/promises'
import { printSchema } from 'graphql'
import { expect, test } from 'vitest'
import { schema } from '../../src/schema/index.ts'

test('schema.graphql is the schema: run `npm run schema` after a change', async () => {
  expect(await readFile('schema.graphql', 'utf8')).toBe(`${printSchema(schema)}\n`)
})
