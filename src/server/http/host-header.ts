import type { IncomingMessage } from 'node:http'
import { remembering } from './header-values.ts'

/** Parsing a URL takes longer than everything else that is done before GraphQL. */
const judge = remembering((host) => ({ isGood: URL.canParse(`http://${host || 'localhost'}`) }))

/** Whether the Host header is well-formed, and there is no second one: Node joins the two by a comma and a space. */
export function namesOneHost({ headers: { host = 'localhost' } }: IncomingMessage): boolean {
  return judge(host).isGood
}
