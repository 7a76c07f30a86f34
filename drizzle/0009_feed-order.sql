-- The new index is built before the old one is dropped: postings wait while it is built, and nobody reads without an index.
-- Dropping it first would lock out readers too, for as long as the build takes.
CREATE INDEX "transactions_recorded_xid_new" ON "transactions" USING btree ("recorded_xid","created_at","id");--> statement-breakpoint
DROP INDEX "transactions_recorded_xid";--> statement-breakpoint
ALTER INDEX "transactions_recorded_xid_new" RENAME TO "transactions_recorded_xid";
