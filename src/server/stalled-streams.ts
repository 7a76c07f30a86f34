import type { Server, ServerResponse } from 'node:http'

const LOOK_INTERVAL_MS = 30_000

/**
 * Cuts event streams whose client has taken nothing of what waits for it from one look to the next: it holds a page of its
 * backlog, and would for ever. One that has nothing to take is left alone.
 *
 * @returns ends the looking.
 */
export function cutStalledStreams(http: Server, intervalMs = LOOK_INTERVAL_MS): () => void {
  /** What waited at the last look, and how much had been written by then. */
  const streams = new Map<ServerResponse, string>()
  http.prependListener('request', (request, response: ServerResponse) => {
    if (!/\btext\/event-stream\b/.test(request.headers.accept ?? '')) return
    streams.set(response, '')
    response.once('close', () => streams.delete(response))
  })
  const timer = setInterval(() => {
    for (const [response, before] of streams) {
      const { socket } = response
      const waiting = socket?.writableLength ?? 0
      const now = waiting > 0 ? `${waiting} of ${socket?.bytesWritten}` : ''
      if (now !== '' && now === before) response.destroy()
      else streams.set(response, now)
    }
  }, intervalMs)
  return () => clearInterval(timer)
}
