import {
  type ASTVisitor,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  specifiedRules,
  type ValidationContext,
  type ValidationRule,
  ValuesOfCorrectTypeRule,
  visitInParallel,
} from 'graphql'
import { badUserInput, messageOf } from './bad-user-input.ts'

/** Like the rule it stands for, but its errors name the argument and the reason, and never the literal. */
const LiteralsOfCorrectTypeRule: ValidationRule = (context: ValidationContext): ASTVisitor => {
  const path: (string | number)[] = []
  const follow: ASTVisitor = {
    enter(node, key) {
      if (node.kind === Kind.ARGUMENT || node.kind === Kind.OBJECT_FIELD) path.push(node.name.value)
      else if (node.kind === Kind.VARIABLE_DEFINITION) path.push(node.variable.name.value)
      else if (typeof key === 'number' && path.length > 0) path.push(key)
    },
    leave(node, key) {
      const named =
        node.kind === Kind.ARGUMENT || node.kind === Kind.OBJECT_FIELD || node.kind === Kind.VARIABLE_DEFINITION
      if (named || (typeof key === 'number' && path.length > 0)) path.pop()
    },
  }
  const quiet: ValidationContext = Object.create(context, {
    reportError: {
      value: (error: GraphQLError) =>
        context.reportError(badUserInput([{ path: path.join('.'), message: messageOf(error) }], error.nodes)),
    },
  })
  // The inner rule leaves what it enters before we do, and enters it after.
  return visitInParallel([follow, ValuesOfCorrectTypeRule(quiet)])
}

/** A subscription has one root field, always: whether it is there cannot depend on a variable. */
const SubscriptionWithoutConditionsRule: ValidationRule = (context: ValidationContext): ASTVisitor => ({
  OperationDefinition(operation) {
    if (operation.operation !== 'subscription') return
    const seen = new Set<SelectionSetNode>()
    const check = (selectionSet: SelectionSetNode | undefined) => {
      if (!selectionSet || seen.has(selectionSet)) return
      seen.add(selectionSet)
      for (const selection of selectionSet.selections) {
        if (selection.directives?.some(({ name }) => name.value === 'skip' || name.value === 'include')) {
          context.reportError(
            new GraphQLError('The field of a subscription cannot have @skip or @include.', { nodes: selection }),
          )
        }
        // The field may stand in a fragment.
        if (selection.kind === Kind.INLINE_FRAGMENT) check(selection.selectionSet)
        if (selection.kind === Kind.FRAGMENT_SPREAD) check(context.getFragment(selection.name.value)?.selectionSet)
      }
    }
    check(operation.selectionSet)
  },
})

/** What every document is held to. */
export const VALIDATION_RULES: readonly ValidationRule[] = [
  ...specifiedRules.map((rule) => (rule === ValuesOfCorrectTypeRule ? LiteralsOfCorrectTypeRule : rule)),
  SubscriptionWithoutConditionsRule,
]
