/** The database, or the role in it, cannot be used. The message says what to change. */
export class UnsuitableDatabaseError extends Error {
  override name = 'UnsuitableDatabaseError'
}
