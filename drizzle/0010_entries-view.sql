-- The entries of accounts: a row for each side of a transaction. The source of a deposit is the outside world, whose account is null.
-- No side has a condition: with one, PostgreSQL would not put the two sides in the place of the name, and would read all of a
-- side where the last entry is asked for. So it reads the same indexes as from the table (tests/ledger/plans.test.ts).
-- security_invoker: whoever reads it needs the right to read public.transactions.
CREATE VIEW "private"."entries" WITH (security_invoker = true) AS
SELECT "destination_user_id" AS "account_id", "destination_sequence" AS "sequence", "amount" AS "change", "amount", "created_at", "id" AS "transaction_id", "idempotency_key", "source_user_id", "source_sequence", "destination_user_id", "destination_sequence"
FROM "public"."transactions"
UNION ALL
SELECT "source_user_id", "source_sequence", -"amount", "amount", "created_at", "id", "idempotency_key", "source_user_id", "source_sequence", "destination_user_id", "destination_sequence"
FROM "public"."transactions";--> statement-breakpoint
COMMENT ON VIEW "private"."entries" IS 'The entries of accounts: number, signed change in cents, and the transaction.';--> statement-breakpoint
-- The functions below read the view with the rights of whoever calls them, and so do servers: whoever may read checkpoints
-- may read entries.
DO $$
DECLARE
  reader regrole;
BEGIN
  FOR reader IN
    SELECT grantee FROM pg_class, aclexplode(relacl)
    WHERE pg_class.oid = 'private.balance_checkpoints'::regclass AND privilege_type = 'SELECT' AND grantee <> relowner
  LOOP
    EXECUTE format('GRANT SELECT ON private.entries TO %s', CASE WHEN reader = 0 THEN 'public' ELSE reader::text END);
  END LOOP;
END;
$$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION "public"."get_current_balance"(user_id uuid) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT (coalesce(checkpoint.balance, 0) + tail.total)::bigint
  FROM public.users
  LEFT JOIN LATERAL (
    SELECT c.sequence, c.balance FROM private.balance_checkpoints c
    WHERE c.user_id = users.id ORDER BY c.through DESC LIMIT 1
  ) checkpoint ON true
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.change), 0) AS total FROM private.entries e
    WHERE e.account_id = users.id AND e.sequence > coalesce(checkpoint.sequence, 0)
  ) tail
  WHERE users.id = get_current_balance.user_id;
END;--> statement-breakpoint
-- Entries at `at` itself count. The next checkpoint bounds the scan, so the cost is that of one gap between checkpoints.
CREATE OR REPLACE FUNCTION "public"."get_balance_on_date"(user_id uuid, at timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT (coalesce(checkpoint.balance, 0) + moved.total)::bigint
  FROM public.users
  LEFT JOIN LATERAL (
    SELECT c.sequence, c.balance FROM private.balance_checkpoints c
    WHERE c.user_id = users.id AND c.through <= get_balance_on_date.at ORDER BY c.through DESC LIMIT 1
  ) checkpoint ON true
  LEFT JOIN LATERAL (
    SELECT c.sequence FROM private.balance_checkpoints c
    WHERE c.user_id = users.id AND c.through > get_balance_on_date.at ORDER BY c.through LIMIT 1
  ) bound ON true
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.change), 0) AS total FROM private.entries e
    WHERE e.account_id = users.id AND e.sequence > coalesce(checkpoint.sequence, 0)
      AND e.sequence < coalesce(bound.sequence, 9223372036854775807) AND e.created_at <= get_balance_on_date.at
  ) moved
  WHERE users.id = get_balance_on_date.user_id AND get_balance_on_date.at IS NOT NULL;
END;
