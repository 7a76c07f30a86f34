/** A document, and its variables, that is made to cost a server much; most are refused. */
type Pathological = readonly [name: string, query: string, variables?: Record<string, unknown>]

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ')

/** Two hundred of them, each of which no server has seen before, by its `seed`. */
export function pathologicalDocuments(seed: number): Pathological[] {
  return Array.from({ length: 10 }, (_, round) =>
    kinds().map(([name, query, variables]): Pathological => {
      const marked = `${query} # ${seed} ${round}`
      return variables ? [name, marked, variables] : [name, marked]
    }),
  ).flat()
}

const kinds = (): Pathological[] => [
  ['a long comment', `#${'x'.repeat(65_000)}\n{ __typename }`],
  ['many short comments', `${'#\n'.repeat(32_000)}{ __typename }`],
  ['one field, a thousand times', `{ ${times(990, () => '__typename')} }`],
  ['one field with fields, 300 times', `{ ${times(300, () => 'viewer { id }')} }`],
  ['one field with fields, as often as may be', `{ ${times(70, () => 'viewer { id }')} }`],
  [
    'fields that repeat at every level',
    `{ ${times(24, () => 'viewer { account { balance { account { balance { account { id } } } } } }')} }`,
  ],
  ['deep inline fragments', `{ ${times(600, () => '... {')} __typename ${times(600, () => '}')} }`],
  ['wide inline fragments', `{ ${times(480, () => '... { __typename }')} }`],
  [
    'many fragments',
    `{ ${times(95, (i) => `...F${i}`)} } ${times(95, (i) => `fragment F${i} on Query { __typename }`)}`,
  ],
  [
    'many fragments of other fields',
    `{ ${times(95, (i) => `...F${i}`)} } ${times(95, (i) => `fragment F${i} on Query { a${i}: __typename }`)}`,
  ],
  [
    'fragments within fragments',
    `{ ...F0 } ${times(120, (i) => `fragment F${i} on Query { viewer { id } ...F${i + 1} }`)} fragment F120 on Query { __typename }`,
  ],
  [
    'fragments that double',
    `{ ...F0 } ${times(100, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F100 on Query { __typename }`,
  ],
  [
    'fragments in circles',
    `{ ...F0 } ${times(25, (i) => `fragment F${i} on Query { ${times(25, (j) => `...F${j}`)} }`)}`,
  ],
  ['names that are not there', `{ ${times(990, (i) => `nothing${i}`)} }`],
  ['names that are almost there', `{ ${times(300, (i) => `failedTransaction${i}`)} }`],
  ['variables that nobody uses', `query (${times(300, (i) => `$v${i}: Int = 1,`)}) { __typename }`],
  ['directives', `{ __typename ${times(240, () => '@skip(if: true)')} }`],
  ['a long list', `{ nodes(ids: [${times(1_900, () => '"a"')}]) { id } }`],
  ['a long text', `{ user(email: "${'x'.repeat(60_000)}") { id } }`],
  ['large variables', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: Array(200_000).fill('a') }],
]
