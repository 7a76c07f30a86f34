-- An account's entries, both sides, in index-only scans: the balance, the head and the history read nothing else.
-- Partial on the source, since a deposit has none; an equality on the column implies the predicate.
CREATE UNIQUE INDEX "transactions_source_entries" ON "transactions" ("source_user_id", "source_sequence") INCLUDE ("amount", "created_at") WHERE "source_user_id" IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "transactions_destination_entries" ON "transactions" ("destination_user_id", "destination_sequence") INCLUDE ("amount", "created_at");--> statement-breakpoint
-- Read with `order by through desc`: the last checkpoint at or before a moment, straight from the index.
CREATE UNIQUE INDEX "balance_checkpoints_through" ON "private"."balance_checkpoints" ("user_id", "through") INCLUDE ("sequence", "balance");--> statement-breakpoint
-- Index-only scans need the visibility map, which only VACUUM writes, and the ledger has no dead rows to call it:
-- vacuum after inserts, early. The head of an account costs 3.3 times as much while its pages are not all-visible.
ALTER TABLE "transactions" SET (autovacuum_vacuum_insert_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.005, autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);--> statement-breakpoint
ALTER TABLE "private"."balance_checkpoints" SET (autovacuum_vacuum_insert_threshold = 1000, autovacuum_vacuum_insert_scale_factor = 0.02);
