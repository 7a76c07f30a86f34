DROP INDEX "transactions_recorded_xid";--> statement-breakpoint
CREATE INDEX "transactions_recorded_xid" ON "transactions" USING btree ("recorded_xid","created_at","id");