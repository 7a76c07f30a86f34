import { expect, test } from 'vitest'
import { NOBODY, viewerOfUser } from '../../src/auth/model/viewer.ts'
import { ViewerCount } from '../../src/server/graphql/viewer-count.ts'

const stranger = (client: string) => ({ viewer: NOBODY, token: null, client })

test('strangers are counted by network: one IPv6 customer has a whole /64 to come from', () => {
  const count = new ViewerCount(2)
  expect(count.take(stranger('2001:db8:1:2::1'))).toBeDefined()
  const release = count.take(stranger('2001:db8:1:2:ffff:1:2:3'))
  expect(count.take(stranger('2001:0db8:0001:0002::7'))).toBeUndefined()
  expect(count.take(stranger('2001:db8:1:3::1'))).toBeDefined()
  release?.()
  expect(count.take(stranger('2001:db8:1:2::9'))).toBeDefined()
  for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.2']) expect(count.take(stranger(address))).toBeDefined()
  expect(count.take(stranger('192.0.2.1'))).toBeUndefined()
})

test('who is signed in is counted by who they are, wherever they come from', () => {
  const count = new ViewerCount(1)
  const ada = (client: string) => ({ viewer: viewerOfUser('ada', 'USER', new Set()), token: 'a token', client })
  expect(count.take(ada('192.0.2.1'))).toBeDefined()
  expect(count.take(ada('192.0.2.2'))).toBeUndefined()
})
