import { IncomingMessage } from 'node:http'
import type { Caller } from '../../schema/context.ts'
import type { RequestRecord } from '../request-record.ts'

/** A request, with what is found out about it. Fields cost less than maps with requests as keys, which garbage collection walks. */
export class HttpRequest extends IncomingMessage {
  /** What the log will say of it. */
  record: RequestRecord | undefined
  /** Who sent it, once that is known. */
  caller: Caller | undefined
}
