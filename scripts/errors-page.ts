import { REFUSAL_MESSAGES } from '../src/ledger/model/refusal.ts'
import { REQUEST_CODES, type RequestCodeRules } from '../src/schema/request-codes.ts'
import { type Message, RESULT_CODES, type ResultCodeRules } from '../src/schema/result-codes.ts'
import { SENT_CLOSE_CODES } from '../src/server/websocket/close-codes.ts'

/** A message as it is; in italics, what it says where it varies. */
const shown = (rules: Message) => ('message' in rules ? rules.message : `*${rules.varies}*`)

const yesOrNo = (isRetryable = false) => (isRetryable ? 'yes' : 'no')

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const resultRows = Object.entries<ResultCodeRules>(RESULT_CODES).map(([code, rules]) => [
  `\`${code}\``,
  rules.type ? `\`${rules.type}\`` : '',
  shown(rules),
  yesOrNo(rules.retryable),
  rules.remedy,
])

const requestRows = Object.entries<RequestCodeRules>(REQUEST_CODES).map(([code, rules]) => [
  `\`${code}\``,
  String(rules.status ?? ''),
  shown(rules),
  yesOrNo(rules.retryable),
  rules.remedy,
])

const closeRows = SENT_CLOSE_CODES.map(({ code, meaning, remedy }) => [String(code), meaning, remedy])

/** docs/errors.md. */
export const errorsPage = (): string => `<!-- npm run errors writes this page. -->

# Errors

What a client can get instead of an answer, and what to do about it.

An error comes in one of two places:

- **in \`data\`**, as a typed result, when a rule says no to a mutation: too little money, a key that was used before;
- **in \`errors\`**, when a request is wrong, is not allowed, or cannot be carried out.

Both have a \`code\` for programs and a \`message\` for people. Decide by the code: messages may change. No message repeats
a value that was sent.

## When to send again

- If \`retryable\` is true, send the same request again after a pause, and double the pause each time. The header
  \`Retry-After\`, where it is set, has the shortest pause in seconds.
- If it is false or absent, the same request fails again. Change something first: the tables say what.
- If no answer comes at all, send the request again.

Send a posting again with the same idempotency key. Then it is posted once, whatever happened before.

## Typed results

Every mutation returns a union: its success, or one of its errors. The HTTP status is 200. All errors implement the
interface \`Error\`, so \`... on Error { code message retryable }\` selects each of them; some have more fields.

Ada has 1,787.55. The ids of two accounts:

\`\`\`graphql
query Accounts {
  payer: user(email: "ada@example.com") { account { id } }
  payee: user(email: "mary@example.com") { account { id } }
}
\`\`\`

A transfer of one cent more than there is:

\`\`\`graphql
mutation Transfer($input: TransferInput!) {
  transfer(input: $input) {
    ... on TransferSuccess { transaction { id } }
    ... on InsufficientFundsError { available shortfall }
    ... on Error { code message retryable }
  }
}
\`\`\`

\`\`\`json
{
  "input": {
    "idempotencyKey": "6a1f0c52-3c55-4c1e-8a57-5e2f1f3f0a07",
    "sourceAccountId": "<payer.account.id>",
    "destinationAccountId": "<payee.account.id>",
    "amount": 178756
  }
}
\`\`\`

\`\`\`json
{
  "data": {
    "transfer": {
      "code": "INSUFFICIENT_FUNDS",
      "message": ${JSON.stringify(REFUSAL_MESSAGES.INSUFFICIENT_FUNDS)},
      "retryable": false,
      "available": "178755",
      "shortfall": "1"
    }
  }
}
\`\`\`

A call of \`postTransactions\` with \`atomic: true\` that is refused returns a \`PostingRefusedError\`: \`index\` says which
posting was refused, \`reason\` has its error, and \`code\` is the code of the reason. Correct that posting, or leave it
out.

${table(['code', 'type', 'message, or *what it says*', 'retryable', 'what to do'], resultRows)}

## Request errors

All other errors are in \`errors\`, with the code in \`extensions.code\`. A field that failed is null, and \`path\` says
which; the other fields have their values. If nothing was executed there is no \`data\`.

\`\`\`graphql
query NobodyInParticular {
  user { email }
}
\`\`\`

\`\`\`json
{
  "errors": [
    {
      "message": "id: takes exactly one of \`id\` and \`email\`",
      "locations": [{ "line": 2, "column": 3 }],
      "path": ["user"],
      "extensions": {
        "code": "BAD_USER_INPUT",
        "fields": [{ "path": "id", "message": "takes exactly one of \`id\` and \`email\`" }]
      }
    }
  ],
  "data": { "user": null }
}
\`\`\`

The HTTP status is 200, unless nothing was executed: then it is the status in the table, if there is one. Answers in
\`application/json\` have 200 also for errors in the document itself and for unknown persisted operations; a client that
accepts \`application/graphql-response+json\` gets their status too. WebSockets and event streams have the same codes,
without a status.

${table(['code', 'status', 'message, or *what it says*', 'retryable', 'what to do'], requestRows)}

## Statuses without a code

Some requests never reach GraphQL. Their answer has a message in \`errors\`, and the HTTP status in place of a code.

${table(
  ['status', 'what is wrong', 'what to do'],
  [
    [
      '400',
      'The URL or the body is not UTF-8, or there is not exactly one valid `Host` header.',
      'Correct the request.',
    ],
    ['404', 'There is nothing at this path.', 'Send GraphQL to `/graphql`.'],
    ['406', 'A page was asked for, and GraphiQL is off.', 'Send `Accept: application/json`.'],
    ['413', 'The body is larger than `BODY_BYTES_MAX`.', 'Send several smaller requests.'],
    [
      '415',
      'The body is not JSON in UTF-8, or it is compressed.',
      'Send `Content-Type: application/json`, without `Content-Encoding`.',
    ],
  ],
)}

## WebSocket close codes

The server closes a socket with one of these codes. Subscriptions on it resume with \`since\`, on a new socket.

${table(['code', 'what happened', 'what to do'], closeRows)}
`
