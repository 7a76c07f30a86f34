import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toAccountId } from '../../src/db/ids.ts'
import {
  accountId,
  accountIdAlone,
  attemptId,
  decodeNodeId,
  encodeNodeId,
  nodeIdRule,
  transactionId,
  userId,
} from '../../src/schema/ids.ts'

const isNodeId = (text: string) => nodeIdRule[0](decodeNodeId(text))

/** The same text with some letters in the other case. */
const recased = (text: string) =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) =>
      [...text].map((letter, index) => (upper[index] ? letter.toUpperCase() : letter.toLowerCase())).join(''),
    )

describe.each([
  ['user', userId],
  ['transaction', transactionId],
  ['attempt', attemptId],
])('an id of a %s', (prefix, schema) => {
  test('is read with and without its prefix, in any case', () => {
    const spellings = fc
      .uuid()
      .chain((uuid) => fc.tuple(fc.constant(uuid), recased(uuid), recased(`${prefix}_${uuid}`)))
    fc.assert(
      fc.property(spellings, ([uuid, bare, prefixed]) => {
        expect([schema.parse(bare), schema.parse(prefixed)]).toEqual([uuid, uuid])
      }),
    )
  })

  test('is nothing else', () => {
    const others = fc
      .tuple(fc.uuid(), fc.nat(40), fc.string({ minLength: 1 }))
      .map(([uuid, at, text]) => uuid.slice(0, at) + text + uuid.slice(at))
    const misplaced = fc
      .tuple(fc.uuid(), fc.integer({ min: 1, max: 36 }))
      .map(([uuid, at]) => `${uuid.slice(0, at)}${prefix}_${uuid.slice(at)}`)
    const foreign = fc.uuid().map((uuid) => `${prefix === 'user' ? 'transaction' : 'user'}_${uuid}`)
    const doubled = fc.uuid().map((uuid) => `${prefix}_${prefix}_${uuid}`)
    fc.assert(
      fc.property(fc.oneof(others, misplaced, foreign, doubled, fc.string()), (text) => {
        const { success, error } = schema.safeParse(text)
        expect(success).toBe(false)
        expect(error?.issues[0]?.message).toBe(`must be a ${prefix} id: ${prefix}_<uuid> or <uuid>`)
      }),
      { examples: [[`${prefix}_`], ['']] },
    )
  })
})

test('an account is named by its own id, with and without its prefix, and by that of its owner', () => {
  fc.assert(
    fc.property(fc.uuid(), (uuid) => {
      const id = toAccountId(uuid)
      for (const text of [uuid, `account_${uuid}`, `user_${uuid}`, `Account_${uuid.toUpperCase()}`])
        expect(accountId.parse(text)).toBe(id)
      for (const text of [`user_account_${uuid}`, `account_user_${uuid}`, `transaction_${uuid}`, `account_${uuid}_1`])
        expect(accountId.safeParse(text).success, text).toBe(false)
    }),
  )
})

test('where a user could be taken for all of their accounts, only the id of an account names one', () => {
  fc.assert(
    fc.property(fc.uuid(), (uuid) => {
      expect(accountIdAlone.parse(`ACCOUNT_${uuid}`)).toBe(toAccountId(uuid))
      for (const text of [uuid, `user_${uuid}`]) expect(accountIdAlone.safeParse(text).success, text).toBe(false)
    }),
  )
})

test('a node id is read back as it was made, in any case', () => {
  const nodes = fc
    .tuple(fc.uuid(), fc.integer({ min: 1, max: 999_999_999_999_999 }))
    .chain(([uuid, sequence]) =>
      fc.constantFrom(
        { typename: 'User', id: uuid },
        { typename: 'Account', id: uuid },
        { typename: 'Transaction', id: uuid },
        { typename: 'LedgerEntry', id: `${uuid}_${sequence}` },
      ),
    )
    .chain((node) => fc.tuple(fc.constant(node), recased(encodeNodeId(node.typename, node.id))))
  fc.assert(
    fc.property(nodes, ([node, text]) => {
      expect(decodeNodeId(text)).toEqual(node)
      expect(isNodeId(text)).toBe(true)
    }),
  )
})

test('a node id needs its own prefix, and only an entry has a number', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.string(), (uuid, text) => {
      const malformed = [
        uuid,
        text,
        `user_${uuid}_1`,
        `account_${uuid}_1`,
        `transaction_${uuid}_1`,
        `entry_${uuid}`,
        `entry_${uuid}_0`,
        `entry_${uuid}_01`,
        `entry_${uuid}_-1`,
        `entry_${uuid}_1000000000000000`,
        `failure_${uuid}`,
        `constructor_${uuid}`,
        ` user_${uuid}`,
        `user_${uuid}\n`,
      ]
      for (const id of malformed) expect(isNodeId(id), id).toBe(false)
    }),
  )
})
