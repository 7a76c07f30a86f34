import { describe } from 'vitest'
import { PRODUCTION } from '../support/production.ts'
import { attackServer } from './support/attacks.ts'

describe('a server in production', () => attackServer(PRODUCTION))
