/* UUIDs as 16 bytes. The library `uuid` refuses those without a version, which PostgreSQL and the API take. */

export const UUID_BYTES = 16

export function bytesOfUuid(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

/** The UUID that 16 bytes are, in lower case. */
export function uuidOfBytes(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
