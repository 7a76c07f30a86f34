import type { Viewer } from '../auth/model/viewer.ts'
import { CurrencyUnknownError } from '../ledger/model/currency-unknown-error.ts'
import { USER_CURSOR } from '../ledger/model/cursor.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import type { User as Profile } from '../ledger/model/user.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfConnection } from './cost.ts'
import { CurrencyNotFoundError, currencyCode } from './currency.ts'
import { EmailTakenError, passwordError } from './errors.ts'
import { userArgument } from './id-arguments.ts'
import { connectionOf, oneDirection, pageRequest, totalCount } from './pages.ts'
import { seesUser, unauthorized } from './rights.ts'
import { email, newPassword, PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN } from './text.ts'
import { ValidationError } from './validation-error.ts'

/** A user of whom at least the id is known: the owner of an account needs no look-up for it. */
export type UserShape = { id: string; hasJustSignedIn?: boolean | undefined } & Partial<Profile>

export const Role = builder.enumType('Role', {
  description: 'What a user may do.',
  values: {
    USER: { description: 'Holds accounts: sees and moves what is theirs.' },
    OPERATOR: {
      description: 'Runs the ledger: sees all accounts, brings money in, takes it out, and reverses any transaction.',
    },
  } as const,
})

export const User = builder.objectRef<UserShape>('User')

/** Whether the viewer may see the profile of a user. Whoever has just signed in sees theirs in the answer to the sign-in. */
const isSeen = ({ id, hasJustSignedIn = false }: UserShape, viewer: Viewer): boolean =>
  hasJustSignedIn || seesUser(viewer, id)

/** undefined when the viewer may not see it. */
const profileOf = (user: UserShape, { loaders, viewer }: Context) => {
  if (!isSeen(user, viewer)) return undefined
  return user.email === undefined ? loaders.users.load(user.id) : user
}

/** A user who exists and whom the viewer may see. */
async function findUser(key: { id: string } | { email: string }, { loaders, viewer }: Context) {
  if ('id' in key) return seesUser(viewer, key.id) ? loaders.users.load(key.id) : undefined
  const user = await loaders.usersByEmail.load(key.email)
  return user && seesUser(viewer, user.id) ? user : undefined
}

builder.node(User, {
  description:
    'Who signs in, and owns accounts. You see no other users, unless you are an operator. With an API token for some accounts you see their owners, but only the `id` of each, and those accounts.',
  id: { resolve: (user) => user.id, description: 'Stable and readable: `user_<uuid>`.' },
  // The loaders have a cache. That of Pothos 4.8.1 hands out objects without their type when two fields ask for one id.
  loadManyWithoutCache: (ids: string[], context) =>
    Promise.all(ids.map(async (id) => (await findUser({ id }, context)) ?? null)),
  fields: (t) => ({
    email: t.string({
      nullable: true,
      description: 'In its canonical form: lower case, no spaces around it, the domain in ASCII (`xn--…`).',
      resolve: async (user, _args, context) => (await profileOf(user, context))?.email,
    }),
    role: t.field({
      type: Role,
      nullable: true,
      description: 'What the user may do.',
      resolve: async (user, _args, context) => (await profileOf(user, context))?.role,
    }),
    createdAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the user was made.',
      resolve: async (user, _args, context) => (await profileOf(user, context))?.createdAt,
    }),
    updatedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the profile was last changed. Postings do not change it.',
      resolve: async (user, _args, context) => (await profileOf(user, context))?.updatedAt,
    }),
  }),
})

builder.queryFields((t) => ({
  user: t.field({
    type: User,
    nullable: true,
    description: 'One user, by id or by e-mail address. Null if the user does not exist or you may not see them.',
    args: {
      id: t.arg({ ...userArgument, description: '`user_<uuid>`, or the bare UUID.' }),
      email: t.arg.string({ description: 'In any spelling of the address.', validate: { schema: email } }),
    },
    validate: [
      [
        ({ id, email }) => (id == null) !== (email == null),
        { message: 'takes exactly one of `id` and `email`', path: ['id'] },
      ],
    ],
    resolve: (_root, { id, email }, context) => findUser(id != null ? { id } : { email: email as string }, context),
  }),
  users: t.connection(
    {
      type: User,
      nullable: true,
      description: 'All users, newest first. For operators.',
      authScopes: { operator: true },
      complexity: costOfConnection,
      validate: [oneDirection],
      resolve: async (_root, page, { ledger, loaders }) => {
        const { rows, ...around } = await ledger.users.page(pageRequest(page, USER_CURSOR, ledger.era))
        for (const user of rows) loaders.users.prime(user.id, user)
        const connection = connectionOf(rows, around, USER_CURSOR, ledger.era)
        return { ...connection, totalCount: () => ledger.users.count() }
      },
    },
    {
      name: 'UsersConnection',
      description: 'A page of users, newest first.',
      fields: (t) => ({ totalCount: t.field(totalCount('users')) }),
    },
    { name: 'UsersEdge', description: 'A user in a page.' },
  ),
}))

const CreateUserInput = builder.inputType('CreateUserInput', {
  description: 'A new user.',
  fields: (t) => ({
    email: t.string({
      required: true,
      description: "Any spelling; it is kept in its canonical form, which must be nobody else's.",
      validate: { schema: email },
    }),
    password: t.string({
      description: `From ${PASSWORD_CHARACTERS_MIN} to ${PASSWORD_CHARACTERS_MAX} characters, spaces around them included. Without one the user cannot sign in.`,
      validate: { schema: newPassword },
    }),
    role: t.field({ type: Role, description: 'Default: `USER`.' }),
    currency: t.string({
      description: "The currency of the main account, which can never be changed. Default: the ledger's.",
      validate: { schema: currencyCode },
    }),
  }),
})

const CreateUserSuccess = builder.objectRef<{ user: Profile }>('CreateUserSuccess').implement({
  description: 'The user was made.',
  fields: (t) => ({
    user: t.expose('user', { type: User, nullable: true, description: 'The new user. The main account is empty.' }),
  }),
})

builder.mutationField('createUser', (t) =>
  t.field({
    type: CreateUserSuccess,
    nullable: true,
    authScopes: { operator: true },
    description:
      'Makes a user, with an empty main account. For operators; only an operator who is signed in can make another operator.',
    args: { input: t.arg({ type: CreateUserInput, required: true, description: 'The new user.' }) },
    errors: {
      types: [ValidationError, EmailTakenError, CurrencyNotFoundError, UnavailableError],
      union: { description: 'The new user, or why it was not created.' },
    },
    resolve: async (_root, { input }, context) => {
      const { ledger, auth, viewer } = context
      // Otherwise a token could make an operator, who may make tokens.
      if (input.role === 'OPERATOR' && viewer.userId === null) throw unauthorized(context)
      const passwordHash =
        input.password == null
          ? null
          : await auth.hashPassword(input.password).catch((error) => {
              throw passwordError(error)
            })
      const { email, role, currency } = input
      const user = await ledger.users
        .create({ email, passwordHash, role: role ?? 'USER', currency: currency ?? undefined })
        .catch((error) => {
          throw error instanceof CurrencyUnknownError ? new CurrencyNotFoundError() : error
        })
      if (!user) throw new EmailTakenError()
      return { user }
    },
  }),
)
