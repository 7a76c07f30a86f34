/** What the banner says of a server that has started. */
export interface Started {
  /** As in `http://localhost:4000`. */
  address: string
  graphiql: boolean
  /** Whether the PostgreSQL is the server's own, and stops with it. */
  ownsDatabase: boolean
  /** Where the demo operator's token is, in development. */
  operatorTokenPath: string | null
  /** The name by which `docker exec` knows the container that the server runs in. */
  container: string | null
}

/** What a person at the console reads in development. In production it is a line of the log. */
export function bannerOf({ address, graphiql, ownsDatabase, operatorTokenPath, container }: Started): string {
  const parts = [
    `Thesaurum is ready at ${address}/graphql`,
    [
      ...(graphiql
        ? ['Open it in a browser and press Ctrl-Enter: the query on the page shows a', 'balance and its history.']
        : []),
      `Ctrl-C stops the server${ownsDatabase ? ' and its database' : ''}.`,
    ].join('\n'),
    ...(operatorTokenPath === null
      ? []
      : [
          container === null
            ? demoOperatorHelp(address, graphiql, operatorTokenPath)
            : containerHelp(container, graphiql, operatorTokenPath),
        ]),
  ]
  return `\n${parts.join('\n\n').replace(/^(?=.)/gm, '  ')}\n`
}

function demoOperatorHelp(address: string, graphiql: boolean, tokenPath: string): string {
  return `Requests need a token.${graphiql ? " GraphiQL sends the demo operator's token by itself." : ''}
Elsewhere, send the token in ${tokenPath}:

curl ${address}/graphql --header "authorization: Bearer $(cat ${tokenPath})" \\
  --header 'content-type: application/json' --data '{ "query": "{ viewer { email role } }" }'`
}

/** The token's file is inside the container, and GraphiQL gives the token only to browsers on the same machine. */
function containerHelp(container: string, graphiql: boolean, tokenPath: string): string {
  return `Requests need a token. Print the demo operator's token with

docker exec ${container} cat ${tokenPath}

and send it as the header "authorization: Bearer <token>"${
    graphiql
      ? `. In GraphiQL, put this
into the pane Headers: { "authorization": "Bearer <token>" }`
      : '.'
  }`
}
