import { readFile } from 'node:fs/promises'
import {
  buildSchema,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isUnionType,
  printSchema,
} from 'graphql'
import { expect, test } from 'vitest'
import { schema } from '../../src/schema/index.ts'

test('schema.graphql is the schema: run `npm run schema` after a change', async () => {
  expect(await readFile('schema.graphql', 'utf8')).toBe(`${printSchema(schema)}\n`)
})

/** What DESIGN.md promises to clients, as far as it is built. More may be there; this may not change. */
const CONTRACT = buildSchema(`
  scalar Amount
  scalar Sequence
  scalar UUID
  scalar DateTime

  interface Node { id: ID! }

  type User implements Node {
    id: ID!
    email: String
    role: Role
    createdAt: DateTime
    updatedAt: DateTime
    account: Account
    accounts(first: Int, after: String, last: Int, before: String): AccountsConnection
  }
  type Currency { code: String!  scale: Int! }
  enum AccountStatus { OPEN FROZEN CLOSED }
  type Account implements Node {
    id: ID!
    currency: Currency
    owner: User
    name: String
    publicName: String
    status: AccountStatus
    createdAt: DateTime
    updatedAt: DateTime
    balance(asOf: DateTime): Balance
    balanceHistory(from: DateTime!, to: DateTime!, bucket: BalanceBucketSize!, timeZone: String = "UTC"): [BalanceBucket!]
    transactions(first: Int, after: String, last: Int, before: String, filter: LedgerEntryFilter): AccountTransactionsConnection
  }
  enum BalanceBucketSize { HOUR DAY WEEK MONTH }
  type BalanceBucket {
    start: DateTime!  end: DateTime!  complete: Boolean!  opening: Amount!  closing: Amount!  lowest: Amount!  highest: Amount!
    credited: Amount!  debited: Amount!  entryCount: Sequence!
  }
  input LedgerEntryFilter {
    direction: EntryDirection  kind: TransactionKind  counterpartyId: ID  amountMin: Amount  amountMax: Amount  from: DateTime  to: DateTime
    metadata: [MetadataInput!]  descriptionContains: String  reversal: Boolean
  }
  input TransactionFilter {
    currency: String  kind: TransactionKind  amountMin: Amount  amountMax: Amount  from: DateTime  to: DateTime
    metadata: [MetadataInput!]  descriptionContains: String  reversal: Boolean
  }
  type Balance {
    account: Account!  currency: Currency!  amount: Amount!  asOf: DateTime  sequence: Sequence!  cursor: String!
    formatted(locale: String = "en"): String
  }
  type Transaction implements Node {
    id: ID!
    kind: TransactionKind!
    source: Account
    destination: Account
    amount: Amount!
    currency: Currency!
    idempotencyKey: UUID
    createdAt: DateTime!
    description: String
    metadata: [Metadata!]
    reverses: Transaction
    reversals(first: Int, after: String): TransactionsConnection
    reversedAmount: Amount
    formatted(locale: String = "en"): String
  }
  type LedgerEntry implements Node {
    id: ID!
    cursor: String!
    node: Transaction!
    transaction: Transaction!
    account: Account!
    counterparty: Account
    createdAt: DateTime!
    sequence: Sequence!
    direction: EntryDirection!
    change: Amount!
    balanceAfter: Amount!
    formatted(locale: String = "en"): String
  }
  enum TransactionKind { DEPOSIT TRANSFER WITHDRAWAL }
  enum EntryDirection { CREDIT DEBIT }
  enum Role { USER OPERATOR }

  type PageInfo { hasNextPage: Boolean!  hasPreviousPage: Boolean!  startCursor: String  endCursor: String }
  type AccountTransactionsConnection { edges: [LedgerEntry!]!  pageInfo: PageInfo!  totalCount: Sequence }
  type UsersConnection { edges: [UsersEdge!]!  pageInfo: PageInfo!  totalCount: Sequence }
  type UsersEdge { cursor: String!  node: User! }
  type AccountsConnection { edges: [AccountsEdge!]!  pageInfo: PageInfo!  totalCount: Sequence }
  type AccountsEdge { cursor: String!  node: Account! }
  input AccountFilter { ownerId: ID  house: Boolean  name: String  currency: String  status: AccountStatus }
  type TransactionsConnection { edges: [TransactionsEdge!]!  pageInfo: PageInfo!  totalCount: Sequence }
  type TransactionsEdge { cursor: String!  node: Transaction! }

  type Query {
    viewer: User
    apiTokens: [ApiToken!]
    user(id: ID, email: String): User
    users(first: Int, after: String, last: Int, before: String): UsersConnection
    account(id: ID!): Account
    accounts(first: Int, after: String, last: Int, before: String, filter: AccountFilter): AccountsConnection
    currencies: [Currency!]
    balances(accountIds: [ID!]!, asOf: DateTime): [Balance]
    transaction(id: ID, idempotencyKey: UUID): Transaction
    transactions(first: Int, after: String, last: Int, before: String, filter: TransactionFilter): TransactionsConnection
    failedTransactions(
      first: Int, after: String, last: Int, before: String, filter: FailedTransactionFilter
    ): FailedTransactionsConnection
    ledger: Ledger
    node(id: ID!): Node
    nodes(ids: [ID!]!): [Node]
  }
  type Ledger {
    cursor: String!  transactionCount: Sequence!  userCount: Sequence!  accountCount: Sequence!  totals: [CurrencyTotals!]
    verification: LedgerVerification
  }
  type CurrencyTotals { currency: Currency!  deposited: Amount!  withdrawn: Amount!  balances: Amount! }
  type LedgerVerification { sound: Boolean!  findings: [LedgerFinding!]! }
  type LedgerFinding { code: FindingCode!  account: Account  sequence: Sequence  message: String! }
  enum FindingCode {
    ROW_INVALID ACCOUNT_UNKNOWN CURRENCY_MISMATCH REVERSAL_WRONG BALANCE_TOO_LARGE SEQUENCE_BROKEN TIME_NOT_RISING BALANCE_NEGATIVE CHECKPOINT_WRONG SERVED_BALANCE_WRONG SERVED_HEAD_WRONG FUNCTION_WRONG
  }

  type Mutation {
    login(input: LoginInput!): LoginResult
    logout: LogoutResult
    createApiToken(input: CreateApiTokenInput!): CreateApiTokenResult
    revokeApiToken(input: RevokeApiTokenInput!): RevokeApiTokenResult
    createUser(input: CreateUserInput!): CreateUserResult
    updateUser(input: UpdateUserInput!): UpdateUserResult
    setPassword(input: SetPasswordInput!): SetPasswordResult
    changePassword(input: ChangePasswordInput!): ChangePasswordResult
    createAccount(input: CreateAccountInput!): CreateAccountResult
    updateAccount(input: UpdateAccountInput!): UpdateAccountResult
    setAccountStatus(input: SetAccountStatusInput!): SetAccountStatusResult
    createCurrency(input: CreateCurrencyInput!): CreateCurrencyResult
    deposit(input: DepositInput!): DepositResult
    transfer(input: TransferInput!): TransferResult
    withdraw(input: WithdrawInput!): WithdrawResult
    reverseTransaction(input: ReverseTransactionInput!): ReverseTransactionResult
    postTransactions(input: PostTransactionsInput!): PostTransactionsResult
    addressFailedTransaction(input: AddressFailedTransactionInput!): AddressFailedTransactionResult
  }
  input LoginInput { email: String!  password: String! }
  type LoginSuccess { token: String!  expiresAt: DateTime!  user: User }
  type InvalidCredentialsError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  type TooManyAttemptsError implements Error {
    code: ErrorCode!  message: String!  retryable: Boolean!  retryAfterSeconds: Int!
  }
  union LoginResult =
    LoginSuccess | ValidationError | InvalidCredentialsError | TooManyAttemptsError | UnavailableError
  type LogoutSuccess { endedAt: DateTime! }
  union LogoutResult = LogoutSuccess | ValidationError
  type ApiToken {
    id: ID!  name: String!  role: Role!  accounts: [Account!]  createdBy: User  createdAt: DateTime!  expiresAt: DateTime
    revokedAt: DateTime
  }
  input CreateApiTokenInput { name: String!  role: Role!  accountIds: [ID!]  expiresAt: DateTime }
  type CreateApiTokenSuccess { token: String!  apiToken: ApiToken! }
  union CreateApiTokenResult = CreateApiTokenSuccess | ValidationError
  input RevokeApiTokenInput { id: ID! }
  type RevokeApiTokenSuccess { apiToken: ApiToken! }
  type ApiTokenNotFoundError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  union RevokeApiTokenResult = RevokeApiTokenSuccess | ValidationError | ApiTokenNotFoundError
  input CreateUserInput { email: String!  password: String  role: Role  currency: String }
  input UpdateUserInput { userId: ID!  email: String  role: Role }
  type UpdateUserSuccess { user: User }
  type LastOperatorError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  union UpdateUserResult =
    UpdateUserSuccess | ValidationError | UserNotFoundError | EmailTakenError | LastOperatorError | UnavailableError
  input SetPasswordInput { userId: ID!  password: String! }
  type SetPasswordSuccess { user: User }
  union SetPasswordResult = SetPasswordSuccess | ValidationError | UserNotFoundError | UnavailableError
  input ChangePasswordInput { currentPassword: String!  newPassword: String! }
  type ChangePasswordSuccess { user: User }
  union ChangePasswordResult =
    ChangePasswordSuccess | ValidationError | InvalidCredentialsError | TooManyAttemptsError | UnavailableError
  input MetadataInput { key: String!  value: String! }
  type Metadata { key: String!  value: String! }
  input DepositInput {
    idempotencyKey: UUID!  accountId: ID!  amount: Amount!  currency: String  description: String  metadata: [MetadataInput!]
  }
  input WithdrawInput {
    idempotencyKey: UUID!  accountId: ID!  amount: Amount!  currency: String  description: String  metadata: [MetadataInput!]
    ignoreFreeze: Boolean = false
  }
  input ReverseTransactionInput {
    idempotencyKey: UUID!  transactionId: ID!  amount: Amount  description: String  metadata: [MetadataInput!]
    ignoreFreeze: Boolean = false
  }
  input TransferInput {
    idempotencyKey: UUID!  sourceAccountId: ID!  destinationAccountId: ID!  amount: Amount!  currency: String
    description: String  metadata: [MetadataInput!]  ignoreFreeze: Boolean = false
  }
  input CreateAccountInput { idempotencyKey: UUID!  ownerId: ID  currency: String  name: String }
  type CreateAccountSuccess { account: Account }
  union CreateAccountResult =
    CreateAccountSuccess | ValidationError | UserNotFoundError | CurrencyNotFoundError | IdempotencyConflictError | UnavailableError
  input UpdateAccountInput { accountId: ID!  name: String  publicName: String }
  type UpdateAccountSuccess { account: Account }
  union UpdateAccountResult = UpdateAccountSuccess | ValidationError | AccountNotFoundError | UnavailableError
  input SetAccountStatusInput { accountId: ID!  status: AccountStatus! }
  type SetAccountStatusSuccess { account: Account }
  union SetAccountStatusResult =
    SetAccountStatusSuccess | ValidationError | AccountNotFoundError | AccountNotEmptyError | UnavailableError
  input CreateCurrencyInput { code: String!  scale: Int! }
  type CreateCurrencySuccess { currency: Currency! }
  union CreateCurrencyResult = CreateCurrencySuccess | ValidationError | CurrencyExistsError | UnavailableError
  input PostTransactionsInput { atomic: Boolean!  transactions: [PostTransactionInput!]! }
  union WithdrawResult =
    WithdrawSuccess | ValidationError | AccountNotFoundError | AccountClosedError | AccountFrozenError
    | CurrencyMismatchError | InsufficientFundsError | IdempotencyConflictError | UnavailableError
  union ReverseTransactionResult =
    ReverseTransactionSuccess | ValidationError | TransactionNotFoundError | NotReversibleError | ReversalExceedsError
    | AccountClosedError | AccountFrozenError | InsufficientFundsError | BalanceLimitError | IdempotencyConflictError
    | UnavailableError
  type WithdrawSuccess implements PostingSuccess { transaction: Transaction!  entry: LedgerEntry  replayed: Boolean! }
  type ReverseTransactionSuccess implements PostingSuccess { transaction: Transaction!  entry: LedgerEntry  replayed: Boolean! }
  enum NotReversibleReason { IS_A_REVERSAL NOT_YOURS_TO_REVERSE }
  type TransactionNotFoundError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  type NotReversibleError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  reason: NotReversibleReason! }
  type ReversalExceedsError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  remaining: Amount! }
  input PostTransactionInput {
    deposit: DepositInput  transfer: TransferInput  withdraw: WithdrawInput  reverseTransaction: ReverseTransactionInput
  }
  type PostTransactionsSuccess { results: [PostTransactionResult]! }
  interface PostingSuccess { transaction: Transaction!  entry: LedgerEntry  replayed: Boolean! }
  type PostTransactionSuccess implements PostingSuccess { transaction: Transaction!  entry: LedgerEntry  replayed: Boolean! }
  union PostTransactionResult =
    PostTransactionSuccess | AccountNotFoundError | AccountClosedError | AccountFrozenError | SameAccountError
    | CurrencyMismatchError | InsufficientFundsError | BalanceLimitError | TransactionNotFoundError | NotReversibleError
    | ReversalExceedsError | IdempotencyConflictError | UnavailableError
  union PostTransactionsResult = PostTransactionsSuccess | ValidationError | PostingRefusedError | UnavailableError
  type PostingRefusedError implements Error {
    code: ErrorCode!  message: String!  retryable: Boolean!  index: Int!  reason: Error!
  }
  input AddressFailedTransactionInput { id: ID! }
  type AddressFailedTransactionSuccess { failedTransaction: FailedTransaction! }
  union AddressFailedTransactionResult =
    AddressFailedTransactionSuccess | ValidationError | FailedTransactionNotFoundError
  type FailedTransactionNotFoundError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  input FailedTransactionFilter { accountId: ID  code: ErrorCode  addressed: Boolean }
  type FailedTransactionsConnection { edges: [FailedTransactionsEdge!]!  pageInfo: PageInfo! }
  type FailedTransactionsEdge { cursor: String!  node: FailedTransaction! }
  type FailedTransaction implements Node {
    id: ID!
    code: ErrorCode!
    message: String!
    source: Account
    destination: Account
    amount: Amount!
    currency: Currency
    idempotencyKey: UUID
    attempts: Sequence!
    failedAt: DateTime!
    addressedAt: DateTime
  }
  type CreateUserSuccess { user: User }
  type DepositSuccess implements PostingSuccess { transaction: Transaction!  entry: LedgerEntry  replayed: Boolean! }
  type TransferSuccess implements PostingSuccess { transaction: Transaction!  entry: LedgerEntry  replayed: Boolean! }
  union CreateUserResult = CreateUserSuccess | ValidationError | EmailTakenError | CurrencyNotFoundError | UnavailableError
  union DepositResult =
    DepositSuccess | ValidationError | AccountNotFoundError | AccountClosedError | CurrencyMismatchError | BalanceLimitError
    | IdempotencyConflictError | UnavailableError
  union TransferResult =
    TransferSuccess | ValidationError | AccountNotFoundError | AccountClosedError | AccountFrozenError | SameAccountError
    | CurrencyMismatchError | InsufficientFundsError | BalanceLimitError | IdempotencyConflictError | UnavailableError

  type Subscription {
    entryPosted(accountId: ID!, since: String): LedgerEntry
    transactionPosted(since: String): TransactionPosted
  }
  type TransactionPosted { cursor: String!  transaction: Transaction! }

  interface Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  enum ErrorCode {
    VALIDATION ACCOUNT_NOT_FOUND ACCOUNT_FROZEN ACCOUNT_CLOSED ACCOUNT_NOT_EMPTY SAME_ACCOUNT CURRENCY_MISMATCH
    CURRENCY_NOT_FOUND CURRENCY_EXISTS TRANSACTION_NOT_FOUND NOT_REVERSIBLE REVERSAL_EXCEEDS INSUFFICIENT_FUNDS USER_NOT_FOUND BALANCE_LIMIT EMAIL_TAKEN IDEMPOTENCY_CONFLICT OVERLOADED
    RETRIES_EXHAUSTED OUTCOME_UNKNOWN INTERNAL_SERVER_ERROR FAILED_TRANSACTION_NOT_FOUND
  }
  type ValidationError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  fields: [InputIssue!]! }
  type InputIssue { path: String!  message: String! }
  type InsufficientFundsError implements Error {
    code: ErrorCode!  message: String!  retryable: Boolean!  account: Account  available: Amount!  required: Amount!  shortfall: Amount!
  }
  type UserNotFoundError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  userId: ID! }
  type AccountNotFoundError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  accountId: ID! }
  type AccountFrozenError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  account: Account }
  type AccountClosedError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  account: Account }
  type AccountNotEmptyError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  balance: Balance }
  type CurrencyMismatchError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  type CurrencyNotFoundError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  type CurrencyExistsError implements Error { code: ErrorCode!  message: String!  retryable: Boolean!  currency: Currency! }
  type SameAccountError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  type BalanceLimitError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  type EmailTakenError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
  type IdempotencyConflictError implements Error {
    code: ErrorCode!  message: String!  retryable: Boolean!  differingFields: [String!]!  transaction: Transaction
  }
  type UnavailableError implements Error { code: ErrorCode!  message: String!  retryable: Boolean! }
`)

const ownTypes = (of: GraphQLSchema) => Object.values(of.getTypeMap()).filter(({ name }) => !name.startsWith('__'))

/** Everything that can be said of a type, a line each: `Account.balance(asOf: DateTime): Balance`. */
function linesOf(type: GraphQLNamedType): string[] {
  const kind = `${type.constructor.name} ${type.name}`
  if (isEnumType(type)) return [kind, ...type.getValues().map(({ name }) => `${type.name} = ${name}`)]
  if (isUnionType(type)) return [kind, ...type.getTypes().map(({ name }) => `${type.name} = ${name}`)]
  if (isInputObjectType(type)) {
    return [kind, ...Object.values(type.getFields()).map((field) => `${type.name}.${field.name}: ${field.type}`)]
  }
  if (!isObjectType(type) && !isInterfaceType(type)) return [kind]
  const fields = Object.values(type.getFields()).flatMap((field) => [
    `${type.name}.${field.name}: ${field.type}`,
    ...field.args.map((argument) => `${type.name}.${field.name}(${argument.name}: ${argument.type})`),
  ])
  return [kind, ...type.getInterfaces().map(({ name }) => `${type.name} implements ${name}`), ...fields]
}

test('the schema has what the design promises: names, arguments, types and what may be null', () => {
  const built = new Set(ownTypes(schema).flatMap(linesOf))
  const promised = ownTypes(CONTRACT).flatMap(linesOf)
  expect(promised.length).toBeGreaterThan(300)
  expect(promised.filter((line) => !built.has(line))).toEqual([])
})

test('nothing is asked of clients that the design does not ask', () => {
  const promised = new Set(ownTypes(CONTRACT).flatMap(linesOf))
  const names = new Set(ownTypes(CONTRACT).map(({ name }) => name))
  const required = ownTypes(schema)
    .filter((type) => names.has(type.name))
    .flatMap(linesOf)
    .filter((line) => line.includes('(') || /Input\./.test(line))
    .filter((line) => /!\)?$/.test(line) && !promised.has(line))
  expect(required).toEqual([])
})

test('every root field and every field of a user or an account but the id may be null, so that one refusal takes nothing else with it', () => {
  const { Query, Mutation, Subscription, User, Account } = schema.getTypeMap()
  for (const type of [Query, Mutation, Subscription, User, Account]) {
    if (!isObjectType(type)) throw new Error('the schema lacks a root')
    const strict = Object.values(type.getFields()).filter((field) => String(field.type).endsWith('!'))
    expect(strict.map(({ name }) => `${type.name}.${name}`)).toEqual(
      [User, Account].includes(type) ? [`${type.name}.id`] : [],
    )
  }
})

test('all that a client can name is described, in a sentence', () => {
  const silent: string[] = []
  const check = (name: string, description: string | null | undefined) => {
    if (!/^\S.+[.?!)…]$/s.test(description ?? '')) silent.push(name)
  }
  for (const type of ownTypes(schema)) {
    if (['Boolean', 'Float', 'ID', 'Int', 'String'].includes(type.name)) continue
    check(type.name, type.description)
    if (isEnumType(type))
      for (const { name, description } of type.getValues()) check(`${type.name}.${name}`, description)
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) check(`${type.name}.${field.name}`, field.description)
    }
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const field of Object.values(type.getFields())) {
      check(`${type.name}.${field.name}`, field.description)
      for (const { name, description } of field.args) check(`${type.name}.${field.name}(${name})`, description)
    }
  }
  expect(silent).toEqual([])
})
