import { type ConnectionLimits, Connections } from '../../src/server/http/connections.ts'

const LIMITS: ConnectionLimits = {
  connectionsPerClientMax: Number.POSITIVE_INFINITY,
  requestsMax: 100,
  unreadTimeoutMs: 20_000,
  unread: { connectionMax: 2 ** 23, viewerMax: 2 ** 25, strangersMax: 2 ** 25, totalMax: 2 ** 26 },
}

/** The connections of a server that a test puts together itself. */
export function createTestConnections(limits: Partial<ConnectionLimits> = {}): Connections {
  return new Connections({ ...LIMITS, ...limits })
}
