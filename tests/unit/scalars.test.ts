import fc from 'fast-check'
import { GraphQLError, type GraphQLScalarType, parseValue } from 'graphql'
import { describe, expect, test } from 'vitest'
import { AMOUNT_MAX, AMOUNT_MIN } from '../../src/ledger/model/money.ts'
import { schema } from '../../src/schema/index.ts'

const scalar = (name: string) => schema.getType(name) as GraphQLScalarType
const [AmountType, Sequence, UUID, DateTime] = ['Amount', 'Sequence', 'UUID', 'DateTime'].map(scalar) as [
  GraphQLScalarType,
  GraphQLScalarType,
  GraphQLScalarType,
  GraphQLScalarType,
]

/** What a scalar says to a value: as a variable, and written out in a document. */
const asVariable = (type: GraphQLScalarType, value: unknown) => type.parseValue(value)
const asLiteral = (type: GraphQLScalarType, source: string) => type.parseLiteral(parseValue(source))

function reasonOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(GraphQLError)
    expect((error as GraphQLError).extensions).toEqual({ code: 'BAD_USER_INPUT' })
    return (error as GraphQLError).message
  }
  return 'taken'
}

const CANARY = 'canary-Zq7'
const OF_ANOTHER_KIND = [
  true,
  false,
  null,
  undefined,
  [],
  ['1'],
  {},
  { a: CANARY },
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1n,
  Symbol.iterator,
]

const WITH_POINT = 'must be in minor units, without a decimal point: send 1000 for 10.00 USD.'
const AS_STRING = 'must be sent as a string above 2^53-1: JSON numbers lose digits there.'
const OF_NUMBERS = [WITH_POINT, AS_STRING]

describe.each([
  ['Amount', AmountType],
  ['Sequence', Sequence],
  ['UUID', UUID],
  ['DateTime', DateTime],
])('%s', (_name, type) => {
  test('gives one reason, which says nothing of the value, whatever is wrong; but for numbers that are no Amount', () => {
    const reason = reasonOf(() => asVariable(type, CANARY))
    expect(reason).toMatch(/^must be /)
    const reasons = [reason, ...(type === AmountType ? OF_NUMBERS : [])]
    for (const value of OF_ANOTHER_KIND) expect(reasons).toContain(reasonOf(() => asVariable(type, value)))
    for (const source of [
      'true',
      'null',
      '[]',
      `["${CANARY}"]`,
      `{a: "${CANARY}"}`,
      CANARY.replace('-', '_'),
      '1e3',
      '""',
      '$x',
    ]) {
      expect(
        reasonOf(() => asLiteral(type, source)),
        source,
      ).toBe(reason)
    }
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect([...reasons, 'taken']).toContain(reasonOf(() => asVariable(type, value)))
      }),
    )
  })
})

describe('Amount', () => {
  test('are exact in and out, as text of any size that fits 64 bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: AMOUNT_MIN, max: AMOUNT_MAX }), (amount) => {
        expect(asVariable(AmountType, String(amount))).toBe(amount)
        expect(asLiteral(AmountType, `"${amount}"`)).toBe(amount)
        expect(asLiteral(AmountType, String(amount))).toBe(amount)
        expect(AmountType.serialize(amount)).toBe(String(amount))
      }),
      { examples: [[AMOUNT_MIN], [AMOUNT_MAX], [0n], [-1n], [2n ** 53n + 1n]] },
    )
  })

  test('are taken as a JSON number only where it is exact', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (number) => {
        expect(asVariable(AmountType, number)).toBe(BigInt(number))
      }),
    )
    for (const number of [2 ** 53, -(2 ** 53), 2 ** 63, 0.5, 1e300, -0]) {
      expect(
        reasonOf(() => asVariable(AmountType, number)),
        String(number),
      ).not.toBe('taken')
    }
  })

  test('say of a fraction that they are minor units, and of a large number that it takes a string', () => {
    for (const value of ['10.00', '-0.5', 10.5]) expect(reasonOf(() => asVariable(AmountType, value))).toBe(WITH_POINT)
    for (const source of ['10.00', '-10.5', '"10.00"'])
      expect(reasonOf(() => asLiteral(AmountType, source))).toBe(WITH_POINT)
    for (const value of [2 ** 53, -(2 ** 53), 1e300, Number.POSITIVE_INFINITY]) {
      expect(reasonOf(() => asVariable(AmountType, value))).toBe(AS_STRING)
    }
    // A document has all digits of a number.
    expect(asLiteral(AmountType, '9007199254740993')).toBe(9007199254740993n)
  })

  test('never pass 64 bits on the way in, and may on the way out', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: AMOUNT_MAX + 1n, max: 2n ** 128n }), (amount) => {
        for (const beyond of [amount, -amount - 1n]) {
          expect(reasonOf(() => asVariable(AmountType, String(beyond)))).not.toBe('taken')
          expect(reasonOf(() => asLiteral(AmountType, String(beyond)))).not.toBe('taken')
          expect(AmountType.serialize(beyond)).toBe(String(beyond))
        }
      }),
    )
  })

  test('have one spelling', () => {
    const spellings = fc
      .bigInt({ min: -1000n, max: 1000n })
      .chain((amount) =>
        fc.constantFrom(
          `+${amount}`,
          ` ${amount}`,
          `${amount} `,
          `${amount}\n`,
          `0${amount}`,
          `${amount}.0`,
          `${amount}e0`,
          `${amount}n`,
          `--${amount}`,
          `-0${amount}`,
        ),
      )
    fc.assert(
      fc.property(spellings, (text) => {
        expect(
          reasonOf(() => asVariable(AmountType, text)),
          text,
        ).not.toBe('taken')
      }),
      { examples: ['-0', '', '٣', '５', '0x1', '1_0', '1,0', '½', '一', '\u0000', '1\u0000'].map((text) => [text]) },
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const isCanonical = /^(0|-?[1-9][0-9]*)$/.test(text)
        if (!isCanonical) expect(reasonOf(() => asVariable(AmountType, text))).not.toBe('taken')
      }),
    )
  })
})

describe('a Sequence', () => {
  test('is any count that JavaScript holds exactly', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (count) => {
        expect([asVariable(Sequence, count), asLiteral(Sequence, String(count)), Sequence.serialize(count)]).toEqual([
          count,
          count,
          count,
        ])
      }),
    )
    for (const value of [-1, 2 ** 53, 0.5, '5', '']) {
      expect(
        reasonOf(() => asVariable(Sequence, value)),
        String(value),
      ).not.toBe('taken')
    }
    for (const source of ['-1', '9007199254740992', '"5"']) {
      expect(
        reasonOf(() => asLiteral(Sequence, source)),
        source,
      ).not.toBe('taken')
    }
  })
})

describe('a UUID', () => {
  test('is taken in any case and given in lower case', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        expect(asVariable(UUID, uuid.toUpperCase())).toBe(uuid)
        expect(asLiteral(UUID, `"${uuid.toUpperCase()}"`)).toBe(uuid)
        expect(UUID.serialize(uuid)).toBe(uuid)
      }),
    )
  })

  test('has one form', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        const others = [
          uuid.replaceAll('-', ''),
          `{${uuid}}`,
          `urn:uuid:${uuid}`,
          ` ${uuid}`,
          `${uuid}\n`,
          uuid.slice(1),
          `${uuid}0`,
          `g${uuid.slice(1)}`,
          `user_${uuid}`,
        ]
        for (const text of others)
          expect(
            reasonOf(() => asVariable(UUID, text)),
            text,
          ).not.toBe('taken')
      }),
    )
  })
})

describe('a DateTime', () => {
  test('is taken with any zone and given in UTC with six digits', () => {
    expect(asVariable(DateTime, '2024-02-29T23:30:00.5-01:30')).toBe('2024-03-01T01:00:00.500000Z')
    expect(asLiteral(DateTime, '"2024-02-29T23:30:00.000001Z"')).toBe('2024-02-29T23:30:00.000001Z')
    expect(DateTime.serialize('2024-02-29T23:30:00.000001Z')).toBe('2024-02-29T23:30:00.000001Z')
  })

  test('is taken with more digits than microseconds have, as .NET, Java and Go write it', () => {
    expect(asVariable(DateTime, '2024-02-29T23:30:00.1234567Z')).toBe('2024-02-29T23:30:00.123456Z')
    expect(asLiteral(DateTime, '"2024-02-29T23:30:00.123456789Z"')).toBe('2024-02-29T23:30:00.123456Z')
  })

  test('is never a number: seconds or milliseconds nobody could tell', () => {
    expect(reasonOf(() => asVariable(DateTime, 1_700_000_000))).not.toBe('taken')
    expect(reasonOf(() => asLiteral(DateTime, '1700000000000'))).not.toBe('taken')
    expect(reasonOf(() => asVariable(DateTime, new Date()))).not.toBe('taken')
  })
})
