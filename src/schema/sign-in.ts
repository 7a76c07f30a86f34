import { GraphQLError } from 'graphql'
import { TooManyAttemptsError as Throttled } from '../auth/throttle.ts'
import type { Instant } from '../db/instant.ts'
import { UnavailableError } from '../ledger/unavailable.ts'
import { builder } from './builder.ts'
import { ErrorInterface, MutationError, passwordError } from './errors.ts'
import { email, PASSWORD_CHARACTERS_MAX, shownPassword } from './text.ts'
import { User } from './user.ts'
import { ValidationError } from './validation-error.ts'

class InvalidCredentialsError extends MutationError {
  readonly code = 'INVALID_CREDENTIALS'
  constructor() {
    super('It is not the password of a user who can sign in.')
  }
}

class TooManyAttemptsError extends MutationError {
  readonly code = 'TOO_MANY_ATTEMPTS'
  override readonly retryable = true
  readonly retryAfterSeconds: number
  constructor(retryAfterMs: number) {
    super('There were too many attempts to sign in. Wait, and try again.')
    this.retryAfterSeconds = Math.ceil(retryAfterMs / 1_000)
  }
}

builder.objectType(InvalidCredentialsError, {
  name: 'InvalidCredentialsError',
  description:
    'There is no such user, or it is not their password, or they cannot sign in: which of these is not told.',
  interfaces: [ErrorInterface],
})

builder.objectType(TooManyAttemptsError, {
  name: 'TooManyAttemptsError',
  description: 'Too many attempts to sign in failed, from here or for this account. The password was not looked at.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    retryAfterSeconds: t.exposeInt('retryAfterSeconds', { description: 'How long to wait, in seconds.' }),
  }),
})

const LoginInput = builder.inputType('LoginInput', {
  description: 'Who signs in.',
  fields: (t) => ({
    email: t.string({ required: true, description: 'In any spelling.', validate: { schema: email as never } }),
    password: t.string({
      required: true,
      description: `At most ${PASSWORD_CHARACTERS_MAX} characters.`,
      validate: { schema: shownPassword as never },
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
          'To be sent as `Authorization: Bearer <token>`, or on a WebSocket in `connection_init` as `{ "authorization": "Bearer <token>" }`. It is told this once.',
      }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        description: 'When the session ends at the latest. It ends earlier when nothing is asked for a while.',
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
  description: 'The session is over, and so is every subscription that it had.',
  fields: (t) => ({
    endedAt: t.expose('endedAt', { type: 'DateTime', description: 'When it ended.' }),
  }),
})

const sessionOver = () => new GraphQLError('The session is over already.', { extensions: { code: 'UNAUTHENTICATED' } })

const noSession = () =>
  new GraphQLError('A token of a service has no session: an operator revokes it.', {
    extensions: { code: 'FORBIDDEN' },
  })

builder.queryField('viewer', (t) =>
  t.field({
    type: User,
    nullable: true,
    skipTypeScopes: true,
    description: 'The user who is signed in. Null: nobody is, or it is a service with an API token.',
    resolve: (_root, _args, { viewer }) => (viewer.userId === null ? null : { id: viewer.userId }),
  }),
)

builder.mutationFields((t) => ({
  login: t.field({
    type: LoginSuccess,
    nullable: true,
    skipTypeScopes: true,
    description: 'Begins a session. One operation may sign in once; too many attempts that fail must wait.',
    args: { input: t.arg({ type: LoginInput, required: true, description: 'Who signs in.' }) },
    errors: {
      types: [ValidationError, InvalidCredentialsError, TooManyAttemptsError, UnavailableError],
      union: { description: 'The session, or why there is none.' },
    },
    resolve: async (_root, { input }, { auth, client }) => {
      const session = await auth.signIn({ ...input, client }).catch((error) => {
        throw error instanceof Throttled ? new TooManyAttemptsError(error.retryAfterMs) : passwordError(error)
      })
      if (!session) throw new InvalidCredentialsError()
      return session
    },
  }),
  logout: t.field({
    type: LogoutSuccess,
    nullable: true,
    description: 'Ends the session whose token was sent. A token of a service is revoked by an operator instead.',
    errors: { types: [ValidationError], union: { description: 'The end of the session.' } },
    resolve: async (_root, _args, context) => {
      const endedAt = context.token === null ? undefined : await context.auth.signOut(context.token)
      if (endedAt === undefined) throw context.viewer.userId === null ? noSession() : sessionOver()
      return { endedAt }
    },
  }),
}))
