import { describe } from 'vitest'
import { attackServer } from './support/attacks.ts'

describe('a server without NODE_ENV', () => attackServer({}))
