import { API_TOKENS_LISTED_MAX, type ApiToken as Token } from '../auth/model/api-token.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { ErrorInterface, MutationError } from './errors.ts'
import { accountAloneArgument, apiTokenArgument } from './id-arguments.ts'
import { encodeApiTokenId } from './ids.ts'
import { PAGE_SIZE_MAX } from './page-size.ts'
import { keptText } from './text.ts'
import { Role, User } from './user.ts'
import { invalidArgument, ValidationError } from './validation-error.ts'

const NAME_CHARACTERS_MAX = 100

class ApiTokenNotFoundError extends MutationError {
  constructor() {
    super('API_TOKEN_NOT_FOUND')
  }
}

builder.objectType(ApiTokenNotFoundError, {
  name: 'ApiTokenNotFoundError',
  description: 'There is no such API token.',
  interfaces: [ErrorInterface],
})

const ApiToken = builder.objectRef<Token>('ApiToken').implement({
  description: 'Lets a service act for some accounts, or for all of them, until it is revoked.',
  fields: (t) => ({
    id: t.id({
      description: '`token_<uuid>`: what to revoke it by. It is not the token, and gives no access.',
      resolve: ({ id }) => encodeApiTokenId(id),
    }),
    name: t.exposeString('name', { description: 'What it is for, in the words of who made it.' }),
    role: t.expose('role', {
      type: Role,
      description:
        '`USER`: sees and moves what its accounts hold. `OPERATOR`: also deposits, withdraws, and reverses both.',
    }),
    accounts: t.field({
      type: [Account],
      nullable: { list: true, items: false },
      description: 'The accounts it gives access to. Null: all of them, and the ledger as a whole.',
      resolve: ({ accountIds }) => accountIds?.map((id) => ({ id })) ?? null,
    }),
    createdBy: t.field({
      type: User,
      nullable: true,
      description: 'The operator who made it. Null: it was not made through the API.',
      resolve: ({ createdBy }) => (createdBy === null ? null : { id: createdBy }),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it expires. Null: never.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked. Null: it is not revoked.',
    }),
  }),
})

builder.queryField('apiTokens', (t) =>
  t.field({
    type: [ApiToken],
    nullable: true,
    authScopes: { operator: true },
    complexity: { field: 1, multiplier: 100 },
    description: `The API tokens that are not revoked, newest first, at most ${API_TOKENS_LISTED_MAX}. For operators.`,
    resolve: (_root, _args, { auth }) => auth.apiTokens.list(),
  }),
)

/** A token of a user is for some accounts; of whom, it has to say. */
const accountsOrOperator: [
  (input: { role?: string; accountIds?: readonly string[] | null | undefined }) => boolean,
  { message: string; path: string[] },
] = [
  ({ role, accountIds }) => role === 'OPERATOR' || accountIds != null,
  { message: 'is required unless the role is OPERATOR', path: ['accountIds'] },
]

const CreateApiTokenInput = builder.inputType('CreateApiTokenInput', {
  description: 'What a service may do.',
  validate: [accountsOrOperator],
  fields: (t) => ({
    name: t.string({
      required: true,
      description: `What it is for, in at most ${NAME_CHARACTERS_MAX} characters. Spaces around it are dropped.`,
      validate: { schema: keptText(NAME_CHARACTERS_MAX) },
    }),
    role: t.field({ type: Role, required: true, description: 'What it may do with its accounts.' }),
    accountIds: t.field({
      type: [accountAloneArgument.type],
      description: `The accounts that it gives access to, as \`account_<uuid>\`, at most ${PAGE_SIZE_MAX}. Without them an operator's token has access to all.`,
      validate: {
        items: accountAloneArgument.validate,
        minLength: [1, { message: 'must not be empty' }],
        maxLength: [PAGE_SIZE_MAX, { message: `takes at most ${PAGE_SIZE_MAX} ids` }],
      },
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it expires. Without it, the token lasts until it is revoked.',
    }),
  }),
})

const CreateApiTokenSuccess = builder.objectRef<{ token: string; apiToken: Token }>('CreateApiTokenSuccess').implement({
  description: 'The token was made.',
  fields: (t) => ({
    token: t.exposeString('token', {
      description:
        'To be sent as `Authorization: Bearer <token>`. Shown only this once: the server keeps only its hash.',
    }),
    apiToken: t.expose('apiToken', { type: ApiToken, description: 'What it may do.' }),
  }),
})

const RevokeApiTokenInput = builder.inputType('RevokeApiTokenInput', {
  description: 'A token to be revoked.',
  fields: (t) => ({
    id: t.field({ ...apiTokenArgument, required: true, description: '`token_<uuid>`, or the bare UUID.' }),
  }),
})

const RevokeApiTokenSuccess = builder.objectRef<{ apiToken: Token }>('RevokeApiTokenSuccess').implement({
  description: 'The token no longer works; its subscriptions end within a second.',
  fields: (t) => ({
    apiToken: t.expose('apiToken', { type: ApiToken, description: 'As it is now.' }),
  }),
})

builder.mutationFields((t) => ({
  createApiToken: t.field({
    type: CreateApiTokenSuccess,
    nullable: true,
    authScopes: { signedInOperator: true },
    description: 'Makes a token for a service. For operators who are signed in: no token makes another.',
    args: { input: t.arg({ type: CreateApiTokenInput, required: true, description: 'What it may do.' }) },
    errors: { types: [ValidationError], union: { description: 'The new token, or why it was not created.' } },
    resolve: async (_root, { input }, { auth, viewer, loaders }) => {
      const accountIds = input.accountIds ? [...new Set(input.accountIds)] : null
      const accounts = await Promise.all((accountIds ?? []).map((id) => loaders.accounts.load(id)))
      if (accounts.includes(undefined))
        throw invalidArgument('input.accountIds', 'names an account that does not exist')
      if (input.expiresAt && input.expiresAt <= new Date().toISOString())
        throw invalidArgument('input.expiresAt', 'is in the past')
      return auth.apiTokens.create({
        name: input.name,
        role: input.role,
        accountIds,
        expiresAt: input.expiresAt ?? null,
        createdBy: viewer.userId as string,
      })
    },
  }),
  revokeApiToken: t.field({
    type: RevokeApiTokenSuccess,
    nullable: true,
    authScopes: { operator: true },
    description: 'Revokes a token. Revoking it again changes nothing. For operators.',
    args: { input: t.arg({ type: RevokeApiTokenInput, required: true, description: 'Which one.' }) },
    errors: {
      types: [ValidationError, ApiTokenNotFoundError],
      union: { description: 'The token, or why it was not revoked.' },
    },
    resolve: async (_root, { input }, { auth }) => {
      const apiToken = await auth.apiTokens.revoke(input.id)
      if (!apiToken) throw new ApiTokenNotFoundError()
      return { apiToken }
    },
  }),
}))
