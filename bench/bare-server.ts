import { randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buildSchema, type DocumentNode, execute, parse, validate } from 'graphql'
import pg from 'pg'

/*
 * The bare minimum that answers the benchmark's three operations, by the same words and on the same tables: node:http,
 * graphql-js, and a parsed and validated document for each text. No limits, no masking, no feed, no replays.
 *
 * A transfer is one plain transaction of its own, five round trips on a pool of pg's standard size: begin, both accounts
 * locked in the order of their ids, both heads, the row, commit. A key that is there already is an error. Of the real thing
 * it keeps what the ledger would not be sound without (funds, numbers, times that rise) and the checkpoint of every 16th
 * entry, in the same transaction: a sum over all entries of an account would get slower with every transfer, and balances
 * of both servers would not be comparable.
 *
 * A balance is one plain select for each request: the function for people with a SQL prompt.
 */

const schema = buildSchema(`
  type Query { account(id: ID!): Account }
  type Account { balance: Balance }
  type Balance { amount: String! }
  type Mutation { transfer(input: TransferInput!): TransferResult }
  input TransferInput { idempotencyKey: ID!  sourceAccountId: ID!  destinationAccountId: ID!  amount: String! }
  union TransferResult = TransferSuccess | TransferError
  type TransferSuccess { replayed: Boolean!  transaction: Transaction! }
  type Transaction { id: ID! }
  interface Error { code: String! }
  type TransferError implements Error { code: String! }
`)

interface TransferInput {
  idempotencyKey: string
  sourceAccountId: string
  destinationAccountId: string
  amount: string
}

interface Head {
  id: string
  balance: string
  last_sequence: string
  next_at: string
}

const CHECKPOINT_INTERVAL = 16n

const LOCK = {
  name: 'lock',
  text: 'select id from accounts where id = any($1::uuid[]) order by id for no key update',
}
/** The real server's formula; a statement of its own after the lock, so that it sees what was committed before. */
const HEADS = {
  name: 'heads',
  text: `
    select account.id, coalesce(checkpoint.balance, 0) + credits.total - debits.total as balance,
      coalesce(greatest(credits.last, debits.last), checkpoint.sequence, 0) as last_sequence,
      to_char(greatest(clock_timestamp(),
        coalesce(greatest(credits.last_at, debits.last_at), checkpoint.through) + interval '1 microsecond'
      ) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as next_at
    from unnest($1::uuid[]) as account (id)
    left join lateral (
      select sequence, balance, through from private.balance_checkpoints where account_id = account.id order by through desc limit 1
    ) checkpoint on true
    cross join lateral (
      select coalesce(sum(amount), 0) as total, max(destination_sequence) as last, max(created_at) as last_at from transactions
      where destination_account_id = account.id and destination_sequence > coalesce(checkpoint.sequence, 0)
    ) credits
    cross join lateral (
      select coalesce(sum(amount), 0) as total, max(source_sequence) as last, max(created_at) as last_at from transactions
      where source_account_id = account.id and source_sequence > coalesce(checkpoint.sequence, 0)
    ) debits`,
}
const INSERT = {
  name: 'insert',
  text: 'insert into transactions values ($1, $2, $3, $4, $5, $6, $7, $8)',
}
const CHECKPOINT = {
  name: 'checkpoint',
  text: 'insert into private.balance_checkpoints values ($1, $2, $3, $4, $5) on conflict do nothing',
}
const BALANCE = { name: 'balance', text: 'select get_current_balance($1) as balance' }

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })

/** @returns the id of the transaction, or why there is none. */
async function transfer(input: TransferInput): Promise<{ id: string } | { code: string }> {
  const id = randomUUID()
  const sourceId = input.sourceAccountId.slice('account_'.length)
  const destinationId = input.destinationAccountId.slice('account_'.length)
  const ids = [sourceId, destinationId]
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query({ ...LOCK, values: [ids] })
    const { rows } = await client.query<Head>({ ...HEADS, values: [ids] })
    const source = rows.find((row) => row.id === sourceId)
    const destination = rows.find((row) => row.id === destinationId)
    const amount = BigInt(input.amount)
    if (!source || !destination || amount <= 0n || BigInt(source.balance) < amount) {
      await client.query('rollback')
      client.release()
      return { code: 'REFUSED' }
    }
    const createdAt = source.next_at > destination.next_at ? source.next_at : destination.next_at
    const sequences = [BigInt(source.last_sequence) + 1n, BigInt(destination.last_sequence) + 1n] as const
    await client.query({
      ...INSERT,
      values: [id, input.idempotencyKey, sourceId, sequences[0], destinationId, sequences[1], amount, createdAt],
    })
    if (sequences[0] % CHECKPOINT_INTERVAL === 0n) {
      const balance = BigInt(source.balance) - amount
      await client.query({ ...CHECKPOINT, values: [sourceId, sequences[0], balance, createdAt, id] })
    }
    if (sequences[1] % CHECKPOINT_INTERVAL === 0n) {
      const balance = BigInt(destination.balance) + amount
      await client.query({ ...CHECKPOINT, values: [destinationId, sequences[1], balance, createdAt, id] })
    }
    await client.query('commit')
    client.release()
    return { id }
  } catch (error) {
    // With an error the pool closes the connection, and PostgreSQL rolls back.
    client.release(error as Error)
    throw error
  }
}

const root = {
  account: ({ id }: { id: string }) => ({
    async balance() {
      const { rows } = await pool.query({ ...BALANCE, values: [id.slice('account_'.length)] })
      return { amount: rows[0].balance }
    },
  }),
  async transfer({ input }: { input: TransferInput }) {
    const outcome = await transfer(input)
    if ('code' in outcome) return { __typename: 'TransferError', code: outcome.code }
    return { __typename: 'TransferSuccess', replayed: false, transaction: outcome }
  },
}

const documents = new Map<string, DocumentNode>()

function documentOf(query: string): DocumentNode {
  let document = documents.get(query)
  if (!document) {
    document = parse(query)
    const errors = validate(schema, document)
    if (errors.length > 0) throw errors[0]
    documents.set(query, document)
  }
  return document
}

async function answer(text: string, response: ServerResponse): Promise<void> {
  const { query, variables } = JSON.parse(text)
  const result = await execute({ schema, document: documentOf(query), rootValue: root, variableValues: variables })
  const body = JSON.stringify(result)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}

const server = createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (chunk) => {
    text += chunk
  })
  request.on('end', () => {
    answer(text, response).catch((error) => response.writeHead(500).end(String(error)))
  })
}).listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ address: `http://127.0.0.1:${port}`, token: null }))
})

process.stdin.resume().once('end', () => {
  server.close(() => void pool.end())
  server.closeAllConnections()
})
