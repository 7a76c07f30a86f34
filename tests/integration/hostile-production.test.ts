import { describe } from 'vitest'
import { attackServer } from '../support/attacks.ts'
import { PRODUCTION } from '../support/production.ts'

describe('a server in production', () => attackServer(PRODUCTION))
