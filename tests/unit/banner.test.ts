import { expect, test } from 'vitest'
import { bannerOf } from '../../src/server/banner.ts'

/* What a person reads once the server is up is true where they read it. */

const started = {
  address: 'http://localhost:4000',
  graphiql: true,
  ownsDatabase: false,
  operatorTokenPath: '/tmp/thesaurum/operator-token',
  container: null,
}

test('outside a container the token is in a file, and GraphiQL sends it', () => {
  const banner = bannerOf(started)
  expect(banner).toContain('$(cat /tmp/thesaurum/operator-token)')
  expect(banner).toContain("GraphiQL sends the demo operator's token by itself")
})

test('in a container it takes a command to get the token, and GraphiQL does not have it', () => {
  const banner = bannerOf({ ...started, container: '3f2a9c' })
  expect(banner).toContain('  docker exec 3f2a9c cat /tmp/thesaurum/operator-token\n')
  expect(banner).toContain('pane Headers')
  expect(banner).not.toMatch(/\$\(cat|by itself/)
  expect(bannerOf({ ...started, container: '3f2a9c', operatorTokenPath: null })).not.toContain('docker')
})
