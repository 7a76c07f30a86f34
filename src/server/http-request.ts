import { IncomingMessage } from 'node:http'
import type { Caller } from '../schema/context.ts'
import type { RequestRecord } from './request-record.ts'

/** A request, with what is found out about it. Fields cost less than maps with requests as keys, which garbage collection walks. */
export class HttpRequest extends IncomingMessage {
  /** What the log will say of it. */
  record: RequestRecord | undefined
  /** Who sent it, once that is known. */
  caller: Caller | undefined
}

export function keepRecord(request: IncomingMessage, record: RequestRecord): void {
  if (request instanceof HttpRequest) request.record = record
}

/** The record of a request over HTTP. */
export function recordOf(request: IncomingMessage): RequestRecord | undefined {
  return request instanceof HttpRequest ? request.record : undefined
}

/** What is known of where an operation comes from. */
export interface Recorded {
  req?: IncomingMessage
  /** Of an operation on a socket; over HTTP it is found by the request. */
  record?: RequestRecord
}

/** The record of the operation that a context is for, if one is kept. */
export function recordFor({ record, req }: Recorded): RequestRecord | undefined {
  return record ?? (req && recordOf(req))
}
