/** One clear sentence for the person at the console; `message` is all they see. */
export class EmbeddedDatabaseError extends Error {
  override name = 'EmbeddedDatabaseError'
}
