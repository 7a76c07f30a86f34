/**
 * The most rows that one statement returns: parsing a thousand blocks the event loop for 10 to 20 ms. It is enough for a
 * page of fifty accounts with twenty entries each.
 */
const ROWS_MAX = 1_100

/**
 * Loads with several statements, one after another, what would be too many rows for one. Only for rows that never change:
 * the answers of different statements are of different moments.
 *
 * @param rowsOf the most rows that a request returns.
 * @param load returns one answer for each request, in order.
 */
export async function inChunks<Request, Answer>(
  requests: readonly Request[],
  rowsOf: (request: Request) => number,
  load: (requests: readonly Request[]) => Promise<Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = []
  let chunk: Request[] = []
  let rows = 0
  for (const request of requests) {
    if (chunk.length > 0 && rows + rowsOf(request) > ROWS_MAX) {
      answers.push(...(await load(chunk)))
      chunk = []
      rows = 0
    }
    chunk.push(request)
    rows += rowsOf(request)
  }
  answers.push(...(await load(chunk)))
  return answers
}
