import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import ErrorsPlugin from '@pothos/plugin-errors'
import RelayPlugin from '@pothos/plugin-relay'
import ScopeAuthPlugin from '@pothos/plugin-scope-auth'
import ZodPlugin from '@pothos/plugin-zod'
import type { Amount } from '../db/amount.ts'
import type { Instant } from '../db/instant.ts'
import type { Context } from './context.ts'
import { costOfEdges, costOfIds } from './cost.ts'
import { decodeNodeId, encodeNodeId, nodeIdRule } from './ids.ts'
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './page-size.ts'
import RefusalNotesPlugin from './refusal-notes.ts'
import { type Scopes, scopesOf, unauthorized } from './rights.ts'
import { ValidationError } from './validation-error.ts'

export const pageSize = {
  validate: {
    min: [0, { message: 'must not be negative' }] as [number, { message: string }],
    max: [PAGE_SIZE_MAX, { message: `must be at most ${PAGE_SIZE_MAX}` }] as [number, { message: string }],
  },
}

/**
 * The order of the plugins matters. Rights come first, so that a caller without them does not learn whether the input is valid.
 * Errors come before zod, so that invalid input becomes a member of a mutation's union. Of complexity, only the costs of
 * fields are used here.
 */
export const builder = new SchemaBuilder<{
  Context: Context
  AuthScopes: Scopes
  DefaultFieldNullability: false
  DefaultEdgesNullability: false
  DefaultNodeNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    Amount: { Input: Amount; Output: Amount }
    Sequence: { Input: number; Output: number }
    UUID: { Input: string; Output: string }
    DateTime: { Input: Instant; Output: Instant }
  }
}>({
  plugins: [RelayPlugin, ScopeAuthPlugin, ErrorsPlugin, RefusalNotesPlugin, ZodPlugin, ComplexityPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    encodeGlobalID: (typename, id) => encodeNodeId(typename, String(id)),
    decodeGlobalID: decodeNodeId,
    brandLoadedObjects: true,
    edgesFieldOptions: { nullable: false, complexity: costOfEdges, description: 'The items of this page, in order.' },
    nodeFieldOptions: { nullable: false, description: 'The item itself.' },
    cursorFieldOptions: { description: 'The position of this item: give it back as `after` or `before`.' },
    pageInfoFieldOptions: { description: 'Where this page lies in the whole list.' },
    pageInfoTypeOptions: { description: 'Where a page lies in the whole list.' },
    hasNextPageFieldOptions: {
      description: 'Whether there is something after this page (older, in lists that show the newest first).',
    },
    hasPreviousPageFieldOptions: {
      description: 'Whether there is something before this page (newer, in lists that show the newest first).',
    },
    startCursorFieldOptions: { description: 'The cursor of the first item here, to page up with `before`.' },
    endCursorFieldOptions: { description: 'The cursor of the last item here, to page down with `after`.' },
    firstArgOptions: {
      ...pageSize,
      description: `How many items from the start of the list (default ${PAGE_SIZE_DEFAULT}, at most ${PAGE_SIZE_MAX}).`,
    },
    lastArgOptions: {
      ...pageSize,
      description: `How many items from the end of the list (at most ${PAGE_SIZE_MAX}); not together with \`first\`.`,
    },
    afterArgOptions: { description: 'Only items after this cursor: older ones, since lists show the newest first.' },
    beforeArgOptions: { description: 'Only items before this cursor: newer ones, since lists show the newest first.' },
    idFieldOptions: { description: 'Stable, with a prefix that names the type.' },
    nodeTypeOptions: { description: 'Anything that can be fetched again by its id alone.' },
    nodeQueryOptions: {
      nullable: true,
      description: 'Any object by its id, prefix included. Null when it does not exist, or is not yours.',
      args: {
        id: {
          description:
            'As an `id` field returned it: `user_…`, `account_…`, `transaction_…`, `attempt_…` or `entry_…`.',
          validate: [nodeIdRule],
        },
      },
    },
    nodesQueryOptions: {
      nullable: { list: true, items: true },
      complexity: ({ ids }) => costOfIds(ids),
      description: `Objects by their ids, in the same order; null for one that does not exist, or is not yours. At most ${PAGE_SIZE_MAX}.`,
      args: {
        ids: {
          description: 'As `id` fields returned them, prefix included.',
          validate: {
            items: { refine: [nodeIdRule] },
            maxLength: [PAGE_SIZE_MAX, { message: `takes at most ${PAGE_SIZE_MAX} ids` }],
          },
        },
      },
    },
  },
  scopeAuth: {
    authScopes: scopesOf,
    authorizeOnSubscribe: true,
    unauthorizedError: (_parent, context) => unauthorized(context),
  },
  complexity: { disabled: true },
  errors: {
    directResult: true,
    defaultTypes: [],
    defaultUnionOptions: { name: ({ fieldName }) => `${pascalCase(fieldName)}Result` },
  },
  zod: { validationError: (error) => new ValidationError(error.issues) },
})

function pascalCase(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}
