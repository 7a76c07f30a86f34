/** What a client notes on a transaction: texts by key. It is never empty. */
export type Metadata = Readonly<Record<string, string>>
