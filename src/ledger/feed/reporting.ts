/**
 * The same work, with its failures reported: once for as long as it keeps failing.
 */
export function reportingOnce<Request, Answer>(
  work: (request: Request) => Promise<Answer>,
  onError: (error: unknown) => void,
): (request: Request) => Promise<Answer> {
  let isFailing = false
  return async (request) => {
    try {
      const answer = await work(request)
      isFailing = false
      return answer
    } catch (error) {
      if (!isFailing) onError(error)
      isFailing = true
      throw error
    }
  }
}
