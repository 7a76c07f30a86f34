import {
  type DocumentNode,
  type FieldNode,
  Kind,
  print,
  type SelectionNode,
  type SelectionSetNode,
  visit,
} from 'graphql'

/*
 * Clients rewrite their documents before they send them: Apollo Client and urql ask for `__typename` wherever they can,
 * print the text anew and put fragments where they like. None of that changes what an operation does.
 */

/** Asks for nothing but the name of a type, always, under its own name. */
function isPlainTypename(selection: SelectionNode): selection is FieldNode {
  return (
    selection.kind === Kind.FIELD &&
    selection.name.value === '__typename' &&
    !selection.alias &&
    !selection.arguments?.length &&
    !selection.directives?.length &&
    !selection.selectionSet
  )
}

/** At least one selection stays, as a selection set must not be empty. */
function withoutTypename(set: SelectionSetNode): SelectionSetNode {
  const others = set.selections.filter((selection) => !isPlainTypename(selection))
  return { ...set, selections: others.length > 0 ? others : set.selections.slice(0, 1) }
}

/**
 * One text for all documents that differ in nothing but layout, comments, the order of their definitions, and plain
 * `__typename` fields. Documents that differ in anything else have different texts: fields stay in their order, and
 * `__typename` with an alias or a directive stays.
 */
export function canonicalForm(document: DocumentNode): string {
  const bare: DocumentNode = visit(document, { SelectionSet: { leave: withoutTypename } })
  return bare.definitions.map(print).sort().join('\n')
}

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } }

const isMeta = (selection: SelectionNode): boolean =>
  selection.kind === Kind.FIELD && selection.name.value.startsWith('__')

/** The document as Apollo Client sends it: with `__typename` at the end of every selection set below an operation's own. */
export function withTypenames(document: DocumentNode): DocumentNode {
  return visit(document, {
    SelectionSet(set, _key, parent) {
      const isRoot = parent !== undefined && 'kind' in parent && parent.kind === Kind.OPERATION_DEFINITION
      if (isRoot || set.selections.some(isMeta)) return undefined
      return { ...set, selections: [...set.selections, TYPENAME] }
    },
  })
}

/** The document as people write it for Apollo Client: fragments last. Some build tools list them first. */
export function operationsFirst({ definitions, ...document }: DocumentNode): DocumentNode {
  const isOperation = ({ kind }: { kind: Kind }) => kind === Kind.OPERATION_DEFINITION
  return {
    ...document,
    definitions: [...definitions.filter(isOperation), ...definitions.filter((definition) => !isOperation(definition))],
  }
}
