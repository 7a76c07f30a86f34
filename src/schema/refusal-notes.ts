import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core'
import type { GraphQLFieldResolver } from 'graphql'
import type { Context } from './context.ts'

/*
 * Typed errors are data, so nothing outside the schema sees them. Of a mutation that threw one, its code is noted in the
 * context, for the log.
 */

const NAME = 'refusalNotes'

/** Different codes that are noted of one operation. */
const REFUSALS_MAX = 10

type NoteTaker = Pick<Context, 'refusals'>

const takesNotes = (context: object): context is NoteTaker => 'refusals' in context

/** Notes that something was refused, and why. */
export function noteRefusal({ refusals }: NoteTaker, error: unknown): void {
  // Errors of PostgreSQL and Node have codes too, and are no refusals.
  if (!(error instanceof Error) || !('retryable' in error) || !('code' in error)) return
  const { code } = error
  if (typeof code !== 'string' || refusals.includes(code) || refusals.length >= REFUSALS_MAX) return
  refusals.push(code)
}

class RefusalNotes<Types extends SchemaTypes> extends BasePlugin<Types> {
  override wrapResolve(
    resolver: GraphQLFieldResolver<unknown, Types['Context'], object>,
    { kind }: PothosOutputFieldConfig<Types>,
  ): GraphQLFieldResolver<unknown, Types['Context'], object> {
    if (kind !== 'Mutation') return resolver
    return (source, args, context, info) => {
      const note = (error: unknown) => takesNotes(context) && noteRefusal(context, error)
      try {
        const answer = resolver(source, args, context, info)
        // Not awaited: that would put one more promise before the answer.
        if (answer instanceof Promise) answer.catch(note)
        return answer
      } catch (error) {
        note(error)
        throw error
      }
    }
  }
}

SchemaBuilder.registerPlugin(NAME, RefusalNotes)

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      refusalNotes: RefusalNotes<Types>
    }
  }
}

export default NAME
