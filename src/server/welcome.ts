/** What GraphiQL opens with: the first thing to try, on the demo's own users. */
export const WELCOME_QUERY = `# Welcome to Thesaurum, a ledger. Press Ctrl-Enter to run what the cursor stands in.
#
# Ada's account: her balance, and her last entries with the running balance of each.
query Account {
  user(email: "ada@example.com") {
    id
    balance { amount asOf }
    transactions(first: 5) {
      edges {
        sequence
        direction
        change
        balanceAfter
        createdAt
        node { kind source { email } destination { email } }
      }
    }
  }
}

# Watch an account: copy the id from above, run this, and post to the account from another tab.
#
# subscription Watch {
#   entryPosted(userId: "user_…") { sequence change balanceAfter }
# }

# Move some money. Every posting carries a key that you make (any UUID): sent twice, it moves once.
#
# mutation Pay {
#   transfer(input: {
#     idempotencyKey: "01890a5d-ac96-774b-bcce-b302099a8057"
#     sourceUserId: "user_…", destinationUserId: "user_…", amount: 250
#   }) {
#     ... on TransferSuccess { replayed entry { sequence change balanceAfter } }
#     ... on InsufficientFundsError { available shortfall }
#     ... on Error { code message }
#   }
# }
`
