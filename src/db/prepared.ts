import type { Database } from './pool.ts'

/** A statement prepared once on each database (or connection) it is used on. */
export function preparedOnce<Prepared>(prepare: (database: Database) => Prepared): (database: Database) => Prepared {
  const prepared = new WeakMap<Database, Prepared>()
  return (database) => {
    let statement = prepared.get(database)
    if (statement === undefined) {
      statement = prepare(database)
      prepared.set(database, statement)
    }
    return statement
  }
}
