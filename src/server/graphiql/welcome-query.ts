/**
 * What GraphiQL opens with: the first thing to try, on the demo's own users. Ctrl-Enter runs the operation that the cursor is in, and
 * the first one when it is in none. Lines end before column 50, where the editor clips them.
 */
export const WELCOME_QUERY = `# Welcome to Thesaurum, a ledger.
# Ctrl-Enter runs the operation at the cursor.

# Ada's main account: what it holds, and its last
# entries, each with the balance after it.
query Account {
  user(email: "ada@example.com") {
    account {
      id
      balance { formatted asOf }
      transactions(first: 5) {
        edges {
          sequence
          formatted
          balanceAfter
          createdAt
          node { kind description }
          counterparty { owner { email } }
        }
      }
    }
  }
}

# All accounts: the house has one for fees, and
# Ada has a second one, in another currency.
query Accounts {
  accounts(first: 10) {
    edges {
      node {
        name
        owner { email }
        currency { code scale }
        balance { amount formatted }
      }
    }
  }
}

# How the balance changed, month by month.
query Months {
  user(email: "ada@example.com") {
    account {
      balanceHistory(
        from: "2026-01-01T00:00:00Z"
        to: "2100-01-01T00:00:00Z"
        bucket: MONTH
        timeZone: "Europe/Paris"
      ) {
        start
        opening
        closing
        lowest
        highest
        entryCount
      }
    }
  }
}

# The other two take the account's id from the
# pane Variables below: { "id": "account_…" }

# Every new entry of the account, as it comes.
# Let it run, and deposit in another window.
subscription Watch($id: ID!) {
  entryPosted(accountId: $id) {
    sequence
    change
    balanceAfter
  }
}

# 2.50 dollars. The key is any UUID that you make:
# sent twice with one key, money moves once.
mutation Deposit($id: ID!) {
  deposit(input: {
    idempotencyKey:
      "01890a5d-ac96-774b-bcce-b302099a8057"
    accountId: $id
    amount: 250
  }) {
    ... on DepositSuccess {
      replayed
      entry { sequence change balanceAfter }
    }
    ... on Error { code message }
  }
}
`
