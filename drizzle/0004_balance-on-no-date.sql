-- The same function as before, but for no moment: that is no balance of 0, it is NULL.
-- Entries at `at` itself count. The next checkpoint bounds the scan, so the cost is that of one stretch between checkpoints.
CREATE OR REPLACE FUNCTION "public"."get_balance_on_date"(user_id uuid, at timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT (coalesce(checkpoint.balance, 0) + credits.total - debits.total)::bigint
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
    SELECT coalesce(sum(t.amount), 0) AS total FROM public.transactions t
    WHERE t.destination_user_id = users.id AND t.destination_sequence > coalesce(checkpoint.sequence, 0)
      AND t.destination_sequence < coalesce(bound.sequence, 9223372036854775807) AND t.created_at <= get_balance_on_date.at
  ) credits
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.amount), 0) AS total FROM public.transactions t
    WHERE t.source_user_id = users.id AND t.source_sequence > coalesce(checkpoint.sequence, 0)
      AND t.source_sequence < coalesce(bound.sequence, 9223372036854775807) AND t.created_at <= get_balance_on_date.at
  ) debits
  WHERE users.id = get_balance_on_date.user_id AND get_balance_on_date.at IS NOT NULL;
END;
