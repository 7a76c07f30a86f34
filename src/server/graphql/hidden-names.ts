import { type DocumentNode, GraphQLError, visit } from 'graphql'

/*
 * Without introspection the schema is private, and error messages must not reveal it name by name. graphql-js
 * quotes every name it speaks of: those that the client did not send are replaced.
 */

const HIDDEN = '[hidden]'

const sent = new WeakMap<DocumentNode, ReadonlySet<string>>()

/** The names in a document. */
function namesIn(document: DocumentNode): ReadonlySet<string> {
  let names = sent.get(document)
  if (!names) {
    const found = new Set<string>()
    visit(document, { Name: ({ value }) => void found.add(value) })
    sent.set(document, found)
    names = found
  }
  return names
}

/** A message of graphql-js, in which every quoted name that the client did not send is replaced. */
export function withHiddenNames(message: string, document: DocumentNode, fieldsSent?: ReadonlySet<string>): string {
  const names = namesIn(document)
  const isSent = (name: string) => name === '' || names.has(name) || fieldsSent?.has(name) === true
  return message.replace(/"([^"]*)"/g, (quoted, text: string) => (text.split(/\W+/).every(isSent) ? quoted : HIDDEN))
}

/** The same for an error of validation. Its extensions repeat the messages in `fields`. */
export function errorWithHiddenNames(error: GraphQLError, document: DocumentNode): GraphQLError {
  const { fields, ...extensions } = error.extensions as { fields?: readonly { path: string; message: string }[] }
  return new GraphQLError(withHiddenNames(error.message, document), {
    nodes: error.nodes ?? null,
    extensions: {
      ...extensions,
      ...(fields && {
        fields: fields.map(({ path, message }) => ({ path, message: withHiddenNames(message, document) })),
      }),
    },
  })
}

/** The names of all fields in a value of JSON. */
export function fieldsIn(value: unknown): ReadonlySet<string> {
  const fields = new Set<string>()
  const left = [value]
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next !== 'object' || next === null) continue
    if (!Array.isArray(next)) for (const name of Object.keys(next)) fields.add(name)
    // Not by spreading: a call takes some 100,000 arguments at most.
    for (const value of Object.values(next)) left.push(value)
  }
  return fields
}
