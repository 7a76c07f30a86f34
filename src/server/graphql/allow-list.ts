import { readFile } from 'node:fs/promises'
import { concatAST, type DocumentNode, type GraphQLError, parse, print, separateOperations, validate } from 'graphql'
import { ConfigError } from '../../config.ts'
import { schema } from '../../schema/index.ts'
import { readOperationList, sha256Of } from './operation-list.ts'

async function readDocument(path: string): Promise<DocumentNode> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new ConfigError(`${path} cannot be read.`)
  })
  try {
    return parse(text)
  } catch (error) {
    const { message, locations } = error as GraphQLError
    throw new ConfigError(`${path}:${locations?.[0]?.line ?? 1}: ${message}`)
  }
}

/** Every operation of the files by itself, with the fragments that it uses from any of them. */
async function operationsOf(paths: readonly string[]): Promise<[id: string, text: string][]> {
  const document = concatAST(await Promise.all(paths.map(readDocument)))
  const errors = validate(schema, document)
  if (errors.length > 0) throw new ConfigError(errors.map(({ message }) => message).join('\n'))
  const operations = Object.values(separateOperations(document)).map((operation) => print(operation))
  return operations.map((text) => [sha256Of(text), text])
}

/** What a client's build tool has listed, word for word, as clients name it. */
async function listOf(path: string): Promise<[id: string, text: string][]> {
  const operations = await readOperationList(path)
  return operations.map(({ id, text }) => [id, text])
}

/**
 * The allow-list of clients, of their GraphQL files and of the lists that their build tools wrote (`*.json`).
 *
 * @returns the JSON of it.
 * @throws {ConfigError} when there is nothing to list, something is not in the schema, or a name is there twice.
 */
export async function writeAllowList(paths: readonly string[]): Promise<string> {
  const isList = (path: string) => /\.json$/i.test(path)
  const documents = paths.filter((path) => !isList(path))
  const lists = await Promise.all(paths.filter(isList).map(listOf))
  const operations = [...(documents.length > 0 ? await operationsOf(documents) : []), ...lists.flat()]
  if (operations.length === 0)
    throw new ConfigError('Name the files that hold the operations: npm run --silent persist -- *.graphql')
  return JSON.stringify(Object.fromEntries(operations), null, 2)
}
