-- Money that leaves the ledger has no destination in it. A transaction may take another one back, and may have words.
ALTER TABLE "private"."failed_transactions" ALTER COLUMN "destination_account_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "transactions" ALTER COLUMN "destination_account_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "transactions" ALTER COLUMN "destination_sequence" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "transactions" ADD COLUMN "reverses_id" uuid;--> statement-breakpoint
ALTER TABLE "transactions" ADD COLUMN "description" text;--> statement-breakpoint
ALTER TABLE "transactions" ADD COLUMN "metadata" jsonb;--> statement-breakpoint
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_reverses_id_transactions_id_fk" FOREIGN KEY ("reverses_id") REFERENCES "public"."transactions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "transactions_reversals" ON "transactions" USING btree ("reverses_id","amount") WHERE "transactions"."reverses_id" is not null;--> statement-breakpoint
CREATE INDEX "transactions_metadata" ON "transactions" USING gin ("metadata" jsonb_path_ops) WHERE "transactions"."metadata" is not null;--> statement-breakpoint
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_destination_whole" CHECK (("transactions"."destination_account_id" is null) = ("transactions"."destination_sequence" is null));--> statement-breakpoint
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_some_side" CHECK (num_nonnulls("transactions"."source_account_id", "transactions"."destination_account_id") > 0);--> statement-breakpoint
-- The same view, with the new columns at its end. As before, no side has a condition: an entry of the outside world has no
-- account, and nobody asks for it.
CREATE OR REPLACE VIEW "private"."entries" WITH (security_invoker = true) AS
SELECT "destination_account_id" AS "account_id", "destination_sequence" AS "sequence", "amount" AS "change", "amount", "created_at", "id" AS "transaction_id", "idempotency_key", "source_account_id", "source_sequence", "destination_account_id", "destination_sequence", "reverses_id", "description", "metadata"
FROM "public"."transactions"
UNION ALL
SELECT "source_account_id", "source_sequence", -"amount", "amount", "created_at", "id", "idempotency_key", "source_account_id", "source_sequence", "destination_account_id", "destination_sequence", "reverses_id", "description", "metadata"
FROM "public"."transactions";
