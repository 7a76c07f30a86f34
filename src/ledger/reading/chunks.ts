/**
 * Rows that one statement brings at most: taking a thousand apart holds the event loop up for 10 to 20 ms. It is enough for
 * a page of fifty users with twenty entries each.
 */
const ROWS_MAX = 1_100

/**
 * Loads in several statements, one after another, what would be too many rows for one. Only for what never changes once it
 * is there: answers of different statements are of different moments.
 *
 * @param rowsOf how many rows a request brings at most.
 * @param load answers in the order and length of its requests.
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
