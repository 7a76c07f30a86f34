import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { EmailTakenError, ErrorInterface, MutationError, passwordError, UserNotFoundError } from './errors.ts'
import { userId } from './ids.ts'
import { requestError } from './request-error.ts'
import { InvalidCredentialsError, passwordCheckError, TooManyAttemptsError } from './sign-in.ts'
import { email, newPassword, PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN, shownPassword } from './text.ts'
import { Role, User } from './user.ts'
import { ValidationError } from './validation-error.ts'

class LastOperatorError extends MutationError {
  constructor() {
    super('LAST_OPERATOR')
  }
}

builder.objectType(LastOperatorError, {
  name: 'LastOperatorError',
  description: 'The user is the last operator who can sign in.',
  interfaces: [ErrorInterface],
})

const NEW_PASSWORD = {
  required: true,
  description: `From ${PASSWORD_CHARACTERS_MIN} to ${PASSWORD_CHARACTERS_MAX} characters, spaces around them included.`,
  validate: { schema: newPassword },
} as const

const UpdateUserInput = builder.inputType('UpdateUserInput', {
  description: 'What to change of a user. What is left out, or null, stays as it is.',
  fields: (t) => ({
    userId: t.id({ required: true, description: 'Whom to change.', validate: { schema: userId } }),
    email: t.string({
      description: "The new address, in any spelling; it must be nobody else's.",
      validate: { schema: email },
    }),
    role: t.field({ type: Role, description: 'The new role.' }),
  }),
  validate: [
    [({ email, role }) => email != null || role != null, { message: 'takes `email`, `role` or both', path: ['email'] }],
  ],
})

const SetPasswordInput = builder.inputType('SetPasswordInput', {
  description: 'A new password for a user.',
  fields: (t) => ({
    userId: t.id({ required: true, description: 'Whose password to set.', validate: { schema: userId } }),
    password: t.string(NEW_PASSWORD),
  }),
})

const ChangePasswordInput = builder.inputType('ChangePasswordInput', {
  description: 'A new password for the viewer.',
  fields: (t) => ({
    currentPassword: t.string({
      required: true,
      description: 'The password that is valid now.',
      validate: { schema: shownPassword },
    }),
    newPassword: t.string(NEW_PASSWORD),
  }),
})

/** What a change of a user answers with. */
const success = (name: string, description: string) =>
  builder.objectRef<{ userId: string }>(name).implement({
    description,
    fields: (t) => ({
      user: t.field({
        type: User,
        nullable: true,
        description: 'The user as they are now.',
        resolve: ({ userId }) => ({ id: userId }),
      }),
    }),
  })

const UpdateUserSuccess = success('UpdateUserSuccess', 'The user was changed, or was so already.')
const SetPasswordSuccess = success('SetPasswordSuccess', 'The password was set. All sessions of the user have ended.')
const ChangePasswordSuccess = success(
  'ChangePasswordSuccess',
  'The password was changed. All other sessions of the viewer have ended.',
)

const noPassword = () =>
  requestError('FORBIDDEN', 'An API token has no password to change. An operator can revoke it with `revokeApiToken`.')

/** What this operation has read of a user is no longer true. */
const changed = (id: string, { loaders }: Context) => {
  loaders.users.clear(id)
  return { userId: id }
}

builder.mutationFields((t) => ({
  updateUser: t.field({
    type: UpdateUserSuccess,
    nullable: true,
    authScopes: { signedInOperator: true },
    description:
      'Changes the e-mail address or the role of a user, and ends their sessions. API tokens that a former operator made stay valid until they are revoked. For operators who are signed in.',
    args: { input: t.arg({ type: UpdateUserInput, required: true, description: 'What to change.' }) },
    errors: {
      types: [ValidationError, UserNotFoundError, EmailTakenError, LastOperatorError, UnavailableError],
      union: { description: 'The user, or why they were not changed.' },
    },
    resolve: async (_root, { input: { userId, email, role } }, context) => {
      const refusal = await context.auth.users.update(userId, { email: email ?? undefined, role: role ?? undefined })
      if (refusal === 'USER_NOT_FOUND') throw new UserNotFoundError(userId)
      if (refusal === 'EMAIL_TAKEN') throw new EmailTakenError()
      if (refusal === 'LAST_OPERATOR') throw new LastOperatorError()
      return changed(userId, context)
    },
  }),
  setPassword: t.field({
    type: SetPasswordSuccess,
    nullable: true,
    authScopes: { signedInOperator: true },
    description:
      "Sets a user's password, whatever it was, and ends all of their sessions. For operators who are signed in.",
    args: { input: t.arg({ type: SetPasswordInput, required: true, description: 'The new password.' }) },
    errors: {
      types: [ValidationError, UserNotFoundError, UnavailableError],
      union: { description: 'The user, or why the password was not set.' },
    },
    resolve: async (_root, { input: { userId, password } }, context) => {
      const isSet = await context.auth.users.setPassword(userId, password).catch((error) => {
        throw passwordError(error)
      })
      if (!isSet) throw new UserNotFoundError(userId)
      return changed(userId, context)
    },
  }),
  changePassword: t.field({
    type: ChangePasswordSuccess,
    nullable: true,
    description:
      "Changes the viewer's password, and ends their other sessions. Failed attempts count like those to sign in. An operation may check only one password.",
    args: { input: t.arg({ type: ChangePasswordInput, required: true, description: 'Both passwords.' }) },
    errors: {
      types: [ValidationError, InvalidCredentialsError, TooManyAttemptsError, UnavailableError],
      union: { description: 'The viewer, or why the password was not changed.' },
    },
    resolve: async (_root, { input }, context) => {
      const { auth, client, token, viewer } = context
      if (viewer.userId === null || token === null) throw noPassword()
      const isChanged = await auth.changePassword({ ...input, userId: viewer.userId, token, client }).catch((error) => {
        throw passwordCheckError(error)
      })
      if (!isChanged) throw new InvalidCredentialsError('The current password is wrong.')
      return changed(viewer.userId, context)
    },
  }),
}))
