import { writeAllowList } from '../server/graphql/allow-list.ts'

/** Prints the allow-list of the operations in files. */
export async function persist(paths: readonly string[]): Promise<void> {
  console.log(await writeAllowList(paths))
}
