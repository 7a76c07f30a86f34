import type { ExecutionArgs } from 'graphql'
import type { Plugin as YogaPlugin } from 'graphql-yoga'
import type { Caller, Context } from '../../schema/context.ts'
import type { Recorded } from '../http-request.ts'

/** What Yoga is given with a request or a frame. The caller is identified before GraphQL runs. */
export interface ServerContext extends Recorded {
  caller?: Caller
}

/** What an operation is executed with. */
export interface OperationArgs extends ExecutionArgs {
  contextValue: Context & ServerContext
}

/** A plugin of Yoga, whose hooks see the context of this server's operations. */
export type Plugin = YogaPlugin<Context & ServerContext, ServerContext>
