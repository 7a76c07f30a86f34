import { TooManyAttemptsError as Throttled } from '../auth/model/sign-in-errors.ts'
import type { Instant } from '../db/instant.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import { ErrorInterface, MutationError, passwordError } from './errors.ts'
import { requestError } from './request-error.ts'
import { email, PASSWORD_CHARACTERS_MAX, shownPassword } from './text.ts'
import { User } from './user.ts'
import { ValidationError } from './validation-error.ts'

export class InvalidCredentialsError extends MutationError {
  constructor(message?: string) {
    super('INVALID_CREDENTIALS', message)
  }
}

export class TooManyAttemptsError extends MutationError {
  readonly retryAfterSeconds: number
  constructor(retryAfterMs: number) {
    super('TOO_MANY_ATTEMPTS')
    this.retryAfterSeconds = Math.ceil(retryAfterMs / 1_000)
  }
}

builder.objectType(InvalidCredentialsError, {
  name: 'InvalidCredentialsError',
  description:
    'The user does not exist, the password is wrong, or the user cannot sign in. The answer does not say which.',
  interfaces: [ErrorInterface],
})

builder.objectType(TooManyAttemptsError, {
  name: 'TooManyAttemptsError',
  description:
    'Too many attempts to sign in failed, from this network or for this account. The password was not checked.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    retryAfterSeconds: t.exposeInt('retryAfterSeconds', { description: 'How long to wait, in seconds.' }),
  }),
})

/** Says for clients why a password was not checked. */
export function passwordCheckError(error: unknown): unknown {
  return error instanceof Throttled ? new TooManyAttemptsError(error.retryAfterMs) : passwordError(error)
}

const LoginInput = builder.inputType('LoginInput', {
  description: 'Who signs in.',
  fields: (t) => ({
    email: t.string({ required: true, description: 'In any spelling.', validate: { schema: email } }),
    password: t.string({
      required: true,
      description: `At most ${PASSWORD_CHARACTERS_MAX} characters.`,
      validate: { schema: shownPassword },
    }),
  }),
})

const LoginSuccess = builder
  .objectRef<{ token: string; expiresAt: Instant; userId: string }>('LoginSuccess')
  .implement({
    description: 'A session has begun.',
    fields: (t) => ({
      token: t.exposeString('token', {
        description:
          'To be sent as `Authorization: Bearer <token>`, or on a WebSocket in `connection_init` as `{ "authorization": "Bearer <token>" }`. Shown only this once.',
      }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        description: 'When the session ends at the latest. It ends earlier when it is not used for a while.',
      }),
      user: t.field({
        type: User,
        nullable: true,
        description: 'Who signed in.',
        resolve: ({ userId }) => ({ id: userId, hasJustSignedIn: true }),
      }),
    }),
  })

const LogoutSuccess = builder.objectRef<{ endedAt: Instant }>('LogoutSuccess').implement({
  description: 'The session has ended, and so has each of its subscriptions.',
  fields: (t) => ({
    endedAt: t.expose('endedAt', { type: 'DateTime', description: 'When it ended.' }),
  }),
})

const sessionOver = () => requestError('UNAUTHENTICATED', 'The session has already ended. There is nothing to do.')

const noSession = () =>
  requestError('FORBIDDEN', 'An API token has no session to end. An operator can revoke it with `revokeApiToken`.')

builder.queryField('viewer', (t) =>
  t.field({
    type: User,
    nullable: true,
    skipTypeScopes: true,
    description: 'The user who is signed in. Null when nobody is, or when a service uses an API token.',
    resolve: (_root, _args, { viewer }) => (viewer.userId === null ? null : { id: viewer.userId }),
  }),
)

builder.mutationFields((t) => ({
  login: t.field({
    type: LoginSuccess,
    nullable: true,
    skipTypeScopes: true,
    description:
      'Begins a session. An operation may check only one password, and after too many failed attempts one has to wait.',
    args: { input: t.arg({ type: LoginInput, required: true, description: 'Who signs in.' }) },
    errors: {
      types: [ValidationError, InvalidCredentialsError, TooManyAttemptsError, UnavailableError],
      union: { description: 'The new session, or why the sign-in was refused.' },
    },
    resolve: async (_root, { input }, { auth, client }) => {
      const session = await auth.signIn({ ...input, client }).catch((error) => {
        throw passwordCheckError(error)
      })
      if (!session) throw new InvalidCredentialsError()
      return session
    },
  }),
  logout: t.field({
    type: LogoutSuccess,
    nullable: true,
    description: 'Ends the session whose token was sent. API tokens have no session: an operator revokes them.',
    errors: { types: [ValidationError], union: { description: 'The end of the session.' } },
    resolve: async (_root, _args, context) => {
      const endedAt = context.token === null ? undefined : await context.auth.signOut(context.token)
      if (endedAt === undefined) throw context.viewer.userId === null ? noSession() : sessionOver()
      return { endedAt }
    },
  }),
}))
