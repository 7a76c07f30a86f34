import { z } from 'zod'
import type { Metadata as MetadataRecord } from '../db/metadata.ts'
import { builder } from './builder.ts'
import { costOfWords } from './cost.ts'
import { spokenText } from './text.ts'
import type { InvalidField } from './validation-error.ts'

/* What people write on a transaction: a description, and texts by key. Both sides of the transaction see them. */

export const WORDS_CHARACTERS_MAX = 500
export const PAIRS_MAX = 20
const KEY = /^[A-Za-z0-9_.-]{1,64}$/

const metadataKey = z
  .string()
  .refine((key) => KEY.test(key) && key !== '__proto__', 'must have 1 to 64 letters, digits, `_`, `.` or `-`')

export const Metadata = builder.objectRef<{ key: string; value: string }>('Metadata').implement({
  description: 'A text that a client noted on a transaction, under a key.',
  fields: (t) => ({
    key: t.exposeString('key', { description: 'Such as `order`.' }),
    value: t.exposeString('value', {
      complexity: costOfWords,
      description: 'Such as `17`. It is text from whoever made the posting: show it as text, never as HTML.',
    }),
  }),
})

const MetadataInput = builder.inputType('MetadataInput', {
  description: 'A text under a key.',
  fields: (t) => ({
    key: t.string({
      required: true,
      description: 'From 1 to 64 letters, digits, `_`, `.` or `-`.',
      validate: { schema: metadataKey },
    }),
    value: t.string({
      required: true,
      description: `From 1 to ${WORDS_CHARACTERS_MAX} characters.`,
      validate: { schema: spokenText(WORDS_CHARACTERS_MAX) },
    }),
  }),
})

/** Of an input that is posted. */
export const descriptionField = {
  description: `What it is for, in 1 to ${WORDS_CHARACTERS_MAX} characters. Both sides see it, and nobody can change it. It is part of the payload: a repeat must have the same.`,
  validate: { schema: spokenText(WORDS_CHARACTERS_MAX) },
} as const

const pairs: { type: [typeof MetadataInput]; validate: { maxLength: [number, { message: string }] } } = {
  type: [MetadataInput],
  validate: { maxLength: [PAIRS_MAX, { message: `takes at most ${PAIRS_MAX} keys` }] },
}

/** Of an input that is posted. */
export const metadataField = {
  ...pairs,
  description: `Up to ${PAIRS_MAX} texts, each under a key of its own. Both sides see them, and nobody can change them. They are part of the payload: a repeat must have the same, in any order.`,
}

/** With two values under one key, nothing could match. */
const hasNoRepeatedKey: [(pairs: readonly { key: string }[]) => boolean, { message: string }] = [
  (pairs) => new Set(pairs.map(({ key }) => key)).size === pairs.length,
  { message: 'must not name a key twice' },
]

/** Of a filter. */
export const metadataFilterField = {
  ...pairs,
  validate: { ...pairs.validate, refine: hasNoRepeatedKey },
  description: 'Only those that have all of these keys with these values.',
}

/** Of a filter. */
export const descriptionFilterField = {
  description: 'Only those whose description contains this text, in upper or lower case.',
  validate: { schema: spokenText(WORDS_CHARACTERS_MAX) },
} as const

type Pairs = readonly { key: string; value: string }[] | null | undefined

/** null: none. No key is there twice: see `repeatedKeys` and `hasNoRepeatedKey`. */
export function metadataOf(pairs: Pairs): MetadataRecord | null {
  return pairs == null || pairs.length === 0 ? null : Object.fromEntries(pairs.map(({ key, value }) => [key, value]))
}

const NONE: readonly InvalidField[] = []

/** Keys that are there before, by their paths. */
export function repeatedKeys(pairs: Pairs): readonly InvalidField[] {
  if (pairs == null) return NONE
  const keys = new Set<string>()
  return pairs.flatMap(({ key }, index) =>
    keys.size < keys.add(key).size ? [] : [{ path: `metadata.${index}.key`, message: 'appears twice' }],
  )
}

/** In the order of the keys. */
export function pairsOf(metadata: MetadataRecord | null): { key: string; value: string }[] {
  return Object.entries(metadata ?? {})
    .map(([key, value]) => ({ key, value }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}
