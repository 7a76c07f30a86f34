CREATE SCHEMA "private";
--> statement-breakpoint
CREATE TABLE "private"."balance_checkpoints" (
	"user_id" uuid NOT NULL,
	"sequence" bigint NOT NULL,
	"balance" bigint NOT NULL,
	"through" timestamp(6) with time zone NOT NULL,
	"transaction_id" uuid NOT NULL,
	CONSTRAINT "balance_checkpoints_pkey" PRIMARY KEY("user_id","sequence"),
	CONSTRAINT "balance_checkpoints_not_negative" CHECK ("private"."balance_checkpoints"."balance" >= 0 and "private"."balance_checkpoints"."sequence" > 0)
);
--> statement-breakpoint
CREATE TABLE "private"."failed_transactions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"idempotency_key" uuid NOT NULL,
	"source_user_id" uuid,
	"destination_user_id" uuid NOT NULL,
	"amount" bigint NOT NULL,
	"code" text NOT NULL,
	"message" text NOT NULL,
	"attempts" integer NOT NULL,
	"failed_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"addressed_at" timestamp(6) with time zone,
	CONSTRAINT "failed_transactions_attempts_positive" CHECK ("private"."failed_transactions"."attempts" > 0)
);
--> statement-breakpoint
CREATE TABLE "private"."ledger" (
	"single" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"era" uuid NOT NULL,
	CONSTRAINT "ledger_single" CHECK ("private"."ledger"."single")
);
--> statement-breakpoint
CREATE TABLE "private"."sessions" (
	"token_hash" "bytea" PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL,
	"last_seen_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"revoked_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "transactions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"idempotency_key" uuid NOT NULL,
	"source_user_id" uuid,
	"source_sequence" bigint,
	"destination_user_id" uuid NOT NULL,
	"destination_sequence" bigint NOT NULL,
	"amount" bigint NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"recorded_xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	CONSTRAINT "transactions_amount_positive" CHECK ("transactions"."amount" > 0),
	CONSTRAINT "transactions_sides_differ" CHECK ("transactions"."source_user_id" <> "transactions"."destination_user_id"),
	CONSTRAINT "transactions_source_whole" CHECK (("transactions"."source_user_id" is null) = ("transactions"."source_sequence" is null)),
	CONSTRAINT "transactions_sequences_positive" CHECK ("transactions"."source_sequence" > 0 and "transactions"."destination_sequence" > 0)
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"password_hash" text,
	"role" text DEFAULT 'USER' NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_role_known" CHECK ("users"."role" in ('USER', 'OPERATOR'))
);
--> statement-breakpoint
ALTER TABLE "private"."balance_checkpoints" ADD CONSTRAINT "balance_checkpoints_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "private"."balance_checkpoints" ADD CONSTRAINT "balance_checkpoints_transaction_id_transactions_id_fk" FOREIGN KEY ("transaction_id") REFERENCES "public"."transactions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "private"."sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_source_user_id_users_id_fk" FOREIGN KEY ("source_user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_destination_user_id_users_id_fk" FOREIGN KEY ("destination_user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "failed_transactions_source" ON "private"."failed_transactions" USING btree ("source_user_id","id");--> statement-breakpoint
CREATE INDEX "failed_transactions_destination" ON "private"."failed_transactions" USING btree ("destination_user_id","id");--> statement-breakpoint
CREATE INDEX "sessions_user" ON "private"."sessions" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "transactions_idempotency_key_unique" ON "transactions" USING btree ("idempotency_key");--> statement-breakpoint
CREATE INDEX "transactions_recorded_xid" ON "transactions" USING btree ("recorded_xid");--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_unique" ON "users" USING btree ("email");