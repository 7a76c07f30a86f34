import { randomUUID } from 'node:crypto'
import type { Source } from './bad-input.ts'

/* Values that a scalar, or the rule on top of it, must refuse: see bad-input.ts for how they are written. */

export const UUID = randomUUID()
export const text = (value: string): Source => JSON.stringify(value)
const texts = (...values: string[]): Source[] => values.map(text)

/** Canaries are marked: what was sent must be nowhere in the answer. */
export const CANARY = 'canary-Zq7'
const OF_ANOTHER_KIND = [text(CANARY), `{"a": ${text(CANARY)}}`, 'true', `[[${text(CANARY)}]]`]
/** Taken as the string of the same digits or letters by some kinds, so said apart. */
const NUMBERS = ['1.5', '-77777777', '1e400']

export const NO_AMOUNT_OF_POSTING = [
  ...OF_ANOTHER_KIND,
  ...['0', '-1', '-77777777', '1.5', '-0', '9223372036854775808', '-9223372036854775809', '1e400'],
  ...texts('0', '-1', '-9223372036854775808', '9223372036854775808', '99999999999999999999999999'),
  ...texts(
    '',
    ' ',
    '+5',
    ' 5',
    '5 ',
    '05',
    '-0',
    '1.0',
    '1e3',
    '0x10',
    '1_000',
    '1,000',
    '٣',
    '５',
    '5\u0000',
    'NaN',
    'Infinity',
  ),
]
export const NO_USER_ID = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  ...texts(
    '',
    ' ',
    '\u0000',
    `${UUID} `,
    ` ${UUID}`,
    `${UUID}\n`,
    `${UUID}\u0000`,
    UUID.replaceAll('-', ''),
    `{${UUID}}`,
  ),
  ...texts(
    `user_user_${UUID}`,
    `user-${UUID}`,
    `user_${CANARY}`,
    `${UUID}_1`,
    `transaction_${UUID}`,
    `entry_${UUID}_1`,
  ),
  ...texts(
    `${UUID.slice(0, 13)}user_${UUID.slice(13)}`,
    `${UUID}' or '1'='1`,
    UUID.replace(/.$/, 'g'),
    UUID.replace(/.$/, '٣'),
  ),
]
export const NO_ACCOUNT_ID = [
  ...NO_USER_ID,
  ...texts(
    `account_account_${UUID}`,
    `account_user_${UUID}`,
    `account-${UUID}`,
    `account_${CANARY}`,
    `account_${UUID}_1`,
  ),
]
export const NO_TRANSACTION_ID = NO_USER_ID.map((source) =>
  source.includes('transaction_')
    ? source.replace('transaction_', 'user_')
    : source.replace(/user([_-])/g, 'transaction$1'),
)
export const NO_ATTEMPT_ID = NO_USER_ID.map((source) => source.replace(/user([_-])/g, 'attempt$1'))
export const NO_NODE_ID = [
  ...NO_USER_ID.filter((source) => !/"(transaction|entry)_/.test(source)),
  ...texts(
    UUID,
    `entry_${UUID}`,
    `entry_${UUID}_0`,
    `entry_${UUID}_01`,
    `entry_${UUID}_-1`,
    `entry_${UUID}_9007199254740993`,
    `user_${UUID}_1`,
    `attempt_${UUID}_1`,
    `account_${UUID}_1`,
    `account_${CANARY}`,
  ),
]
export const NO_KEY = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  ...texts('', ' ', `${UUID} `, ` ${UUID}`, UUID.replaceAll('-', ''), `{${UUID}}`, `urn:uuid:${UUID}`, `user_${UUID}`),
  ...texts(
    UUID.slice(1),
    `${UUID}0`,
    UUID.replace(/.$/, 'g'),
    UUID.replace(/.$/, '٣'),
    `${UUID}\u0000`,
    UUID.replaceAll('-', '_'),
  ),
]
export const NO_MOMENT = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  ...['1721000000', '1721000000000'],
  ...texts(
    '',
    'now',
    'infinity',
    'yesterday',
    '2024-05-06',
    '2024-05-06T07:08:09',
    '2024-05-06 07:08:09Z',
    '20240506T070809Z',
  ),
  ...texts(
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-00-10T00:00:00Z',
    '2024-04-31T00:00:00Z',
  ),
  ...texts('2024-05-06T24:00:00Z', '2024-05-06T07:60:00Z', '2024-05-06T07:08:60Z', '2024-05-06T07:08:09.Z'),
  ...texts(
    '2024-05-06T07:08:09+16:00',
    '2024-05-06T07:08:09+01',
    '2024-05-06T07:08:09+0100',
    '2024-05-06T07:08:09 Europe/Paris',
  ),
  ...texts(
    '0000-05-06T07:08:09Z',
    '10000-05-06T07:08:09Z',
    '-2024-05-06T07:08:09Z',
    '٢٠٢٤-05-06T07:08:09Z',
    '2024-05-06T07:08:09Z\u0000',
  ),
  ...texts('2998-05-06T07:08:09Z', '9999-12-31T23:59:59.999999Z'),
]
export const NO_EMAIL = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  ...texts(
    '',
    ' ',
    `${CANARY}@`,
    `@${CANARY}`,
    `${CANARY} x@example.com`,
    `${CANARY}@x@example.com`,
    `${CANARY}@example..com`,
  ),
  ...texts(
    `${CANARY}\u0000@example.com`,
    `${CANARY}@exam\u0000ple.com`,
    `${CANARY}\n@example.com`,
    `${CANARY}\u200b@example.com`,
  ),
  ...texts(
    `${CANARY}${'x'.repeat(60)}@example.com`,
    `${CANARY}@${'x'.repeat(250)}.com`,
    `${CANARY}'; drop table users; --@example.com`,
  ),
]
/** Of any length up to the largest: a password that is too short is wrong, and no more. */
export const NO_LOGIN_PASSWORD: Source[] = ['5', '{}', '[]', 'true', text('a'.repeat(257))]

export const NO_PASSWORD = [
  ...OF_ANOTHER_KIND.slice(1),
  ...NUMBERS,
  ...texts('', CANARY.slice(0, 7), `${CANARY}${'x'.repeat(250)}`),
]
export const NO_ROLE = [...OF_ANOTHER_KIND, ...NUMBERS, '1', ...texts('', 'user', 'ADMIN', 'USER ')]
export const NO_PAGE_SIZE = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  '-1',
  '101',
  '2147483647',
  '2147483648',
  '9007199254740993',
  ...texts('5', ''),
]
export const NO_CURSOR = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  '5',
  ...texts('', ' ', '\u0000', 'null', UUID, '%', `${CANARY}'--`, 'x'.repeat(10_000)),
]
export const NO_FAILURE_CODE = [...OF_ANOTHER_KIND, ...NUMBERS, ...texts('', 'insufficient_funds', 'FAULT')]
export const NO_DIRECTION = [...OF_ANOTHER_KIND, ...NUMBERS, '1', ...texts('', 'credit', 'BOTH', 'DEBIT ')]
export const NO_KIND = [...OF_ANOTHER_KIND, ...NUMBERS, '1', ...texts('', 'deposit', 'REFUND', 'TRANSFER\u0000')]
export const NO_STATUS = [...OF_ANOTHER_KIND, ...NUMBERS, '1', ...texts('', 'open', 'DELETED', 'OPEN ')]
export const NO_CURRENCY = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  ...texts('', ' ', 'usd', 'Usd', 'US', 'US$', ' USD', 'USD ', 'USD\u0000', 'ＵＳＤ', '€', 'x'.repeat(10_000)),
]
/** Of an account: trimmed, and from 1 to 100 characters. */
export const NO_NAME = [...OF_ANOTHER_KIND.slice(1), ...NUMBERS, ...texts('', ' ', 'a\u0000b', CANARY.repeat(20))]
export const NO_LOCALE = [
  ...OF_ANOTHER_KIND.slice(1),
  ...NUMBERS,
  ...texts('', ' ', 'e', 'de_DE!', 'en\u0000', '-de', `${CANARY}-${'x'.repeat(10)}`, 'x'.repeat(10_000)),
]
export const NO_SCALE = [...OF_ANOTHER_KIND, ...NUMBERS, '-1', '9', '2147483648', ...texts('2', '')]
export const NO_BUCKET = [...OF_ANOTHER_KIND, ...NUMBERS, '1', ...texts('', 'day', 'YEAR', 'P1D', 'DAY ')]
export const NO_TIME_ZONE = [
  ...OF_ANOTHER_KIND,
  ...NUMBERS,
  '1',
  ...texts(
    '',
    ' ',
    '\u0000',
    'Z',
    '+05',
    '+05:00',
    '-03',
    'IST',
    'PST',
    'BST',
    'JST',
    '+00:00',
    'UTC+1',
    'GMT+5',
    'EST+5',
    '05:00',
  ),
  ...texts(
    'Mars/Phobos',
    'Asia/',
    '/Tokyo',
    'Asia//Tokyo',
    'Asia/Tokyo ',
    ' UTC',
    'UTC\u0000',
    'Asia/Tokyo[u-ca=hebrew]',
  ),
  ...texts('2024-01-01T00:00:00Z', '2024-01-01T00:00[Asia/Tokyo]', '../etc/passwd', "UTC'; drop table users; --"),
]
/** An amount may be any number here, also none that a posting would take. */
export const NO_AMOUNT = NO_AMOUNT_OF_POSTING.filter(
  (source) => !/^"?(0|-1|-77777777|-9223372036854775808)"?$/.test(source),
)
/** A moment of the future is one. */
export const NO_DATE_TIME = NO_MOMENT.filter((source) => !/2998|9999-12/.test(source))
export const NO_BOOLEAN = [...OF_ANOTHER_KIND.filter((source) => source !== 'true'), ...NUMBERS, ...texts('true', '')]
const tooMany = (id: string) => `[${Array.from({ length: 101 }, () => text(id)).join(', ')}]`

export const NO_INPUT = ['null', 'true', '5', text(CANARY), `[${text(CANARY)}]`]
export const NO_ACCOUNT_IDS = [...NO_ACCOUNT_ID.map((id) => `[${id}]`), tooMany(UUID), '[null]', 'null']
/** Where the id of a user could be taken for all accounts of that user. */
export const NO_ACCOUNT_IDS_ALONE = [...NO_ACCOUNT_IDS, `[${text(UUID)}]`, `[${text(`user_${UUID}`)}]`]
export const NO_NODE_IDS = [...NO_NODE_ID.map((id) => `[${id}]`), tooMany(`user_${UUID}`), '[null]', 'null']

const postings = (...items: string[]): Source => `[${items.join(', ')}]`
const goodDeposit = `{"idempotencyKey": ${text(UUID)}, "accountId": ${text(UUID)}, "amount": 1}`
export const NO_TRANSACTIONS = [
  ...OF_ANOTHER_KIND,
  'null',
  ...['[]', '[null]', '[{}]', `[{"deposit": null}]`, `[{"deposit": ${goodDeposit}, "transfer": null}]`],
  ...NO_AMOUNT_OF_POSTING.map((amount) => postings(`{"deposit": ${goodDeposit.replace('1}', `${amount}}`)}}`)),
  postings(`{"withdrawal": ${goodDeposit}}`),
  // Twice the same key, in an atomic call.
  postings(`{"deposit": ${goodDeposit}}`, `{"deposit": ${goodDeposit}}`),
]

/** One more than may be. As a literal it would be more than a document may hold. */
export const TOO_MANY_TRANSACTIONS = [postings(...Array.from({ length: 1_001 }, () => `{"deposit": ${goodDeposit}}`))]
