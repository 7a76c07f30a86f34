CREATE TABLE "private"."api_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"account_ids" uuid[],
	"created_by" uuid,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(6) with time zone,
	"revoked_at" timestamp(6) with time zone,
	CONSTRAINT "api_tokens_role_known" CHECK ("private"."api_tokens"."role" = 'OPERATOR' or ("private"."api_tokens"."role" = 'USER' and "private"."api_tokens"."account_ids" is not null))
);
--> statement-breakpoint
CREATE TABLE "private"."sign_in_limits" (
	"key" varchar(255) PRIMARY KEY NOT NULL,
	"points" integer DEFAULT 0 NOT NULL,
	"expire" bigint
);
--> statement-breakpoint
ALTER TABLE "private"."sessions" ADD COLUMN "idle_timeout_ms" bigint DEFAULT 3600000 NOT NULL;--> statement-breakpoint
ALTER TABLE "private"."api_tokens" ADD CONSTRAINT "api_tokens_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_tokens_hash_unique" ON "private"."api_tokens" USING btree ("token_hash");