import {
  type ASTVisitor,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql'

/** How many fields may stand within each other. Introspection by GraphiQL has 13; no question of a ledger has 32. */
export const DEPTH_MAX = 32

/**
 * Refuses a document that is nested too deeply, before anything of it is carried out: an answer that cannot be written
 * out must not belong to a posting that was committed. Fragments count where they are spread.
 */
export function DepthRule(context: ValidationContext): ASTVisitor {
  const depths = new Map<string, number>()
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of context.getDocument().definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }

  const depthOfFragment = (name: string): number => {
    const known = depths.get(name)
    if (known !== undefined) return known
    // Of a cycle, which another rule refuses, and of a fragment that is not there.
    depths.set(name, 0)
    const fragment = fragments.get(name)
    const depth = fragment ? depthOf(fragment.selectionSet) : 0
    depths.set(name, depth)
    return depth
  }

  const depthOf = (set: SelectionSetNode | undefined): number =>
    Math.max(
      0,
      ...(set?.selections ?? []).map((selection) => {
        if (selection.kind === Kind.FRAGMENT_SPREAD) return depthOfFragment(selection.name.value)
        const below = depthOf(selection.selectionSet)
        return selection.kind === Kind.FIELD ? 1 + below : below
      }),
    )

  return {
    OperationDefinition(operation) {
      if (depthOf(operation.selectionSet) <= DEPTH_MAX) return
      context.reportError(
        new GraphQLError(`The document is nested too deeply: at most ${DEPTH_MAX} levels of fields.`, {
          nodes: operation,
          extensions: { code: 'BAD_REQUEST' },
        }),
      )
    },
  }
}
