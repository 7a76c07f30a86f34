import { isUtf8 } from 'node:buffer'
import { WebSocket } from 'ws'
import { INVALID_PAYLOAD } from './close-codes.ts'

/**
 * A socket that takes no message that is not UTF-8. `ws` sees to that for text frames; a binary frame would be decoded by
 * graphql-ws with U+FFFD in place of what it cannot read.
 */
export class Utf8Socket extends WebSocket {
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    const [data, isBinary] = values
    if (event !== 'message' || !isBinary || (data instanceof Uint8Array && isUtf8(data))) {
      return super.emit(event, ...values)
    }
    this.close(INVALID_PAYLOAD, 'Invalid UTF-8')
    return true
  }
}
