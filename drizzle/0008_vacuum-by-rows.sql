-- Autovacuum counts rows here, not shares of a table: 0.5 % of a year at 300 transactions a second are 47 million rows,
-- 44 hours between two vacuums, and the heads of accounts cost 3.3 times as much on pages that were not vacuumed.
--
-- 20,000 transactions: about a minute at 300 a second, which is how often autovacuum looks by default. A vacuum after
-- inserts reads the new pages only and no index, so it costs the same in a large table as in a small one.
ALTER TABLE "transactions" SET (autovacuum_vacuum_insert_threshold = 20000, autovacuum_vacuum_insert_scale_factor = 0);--> statement-breakpoint
-- Each transaction has two entries and each 16 entries a checkpoint: as many rows as 20,000 transactions make.
ALTER TABLE "private"."balance_checkpoints" SET (autovacuum_vacuum_insert_threshold = 2500, autovacuum_vacuum_insert_scale_factor = 0);--> statement-breakpoint
-- These also have rows that die. A vacuum for dead rows reads the indexes too, so its threshold is higher than a share of
-- a small table would be: 10,000 rows are four seconds of the cleaner's work.
ALTER TABLE "private"."failed_transactions" SET (autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0);--> statement-breakpoint
-- Small tables whose rows are written again and again: each use of a session and each sign-in leaves a dead row.
ALTER TABLE "private"."sessions" SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);--> statement-breakpoint
ALTER TABLE "private"."sign_in_limits" SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
