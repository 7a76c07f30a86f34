import { printSchema as print } from 'graphql'
import { schema } from '../schema/index.ts'

/** Prints the GraphQL schema. */
export function printSchema(): void {
  console.log(print(schema))
}
