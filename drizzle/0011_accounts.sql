-- Accounts, which were users until now, and currencies. A custom migration: drizzle-kit would ask about each rename.
-- It is one database transaction. Writers wait for it. Afterwards those of the version before fail, since the columns have
-- other names. They must fail: they would lock users, and not accounts.
--
-- The tables are locked in the order in which others lock them. A checkpoint locks its own table first, and then, by its
-- foreign keys, transactions and users. A reader locks the view first, and then its table. A poster locks users first, so it
-- and the migration may wait for each other: the poster gives up after BATCH_LOCK_WAIT_MS, and tries again. The migration
-- gives up after two seconds, and is run again.
SET LOCAL lock_timeout = '2s';--> statement-breakpoint
LOCK TABLE "private"."balance_checkpoints", "private"."entries", "public"."transactions", "public"."users" IN ACCESS EXCLUSIVE MODE;--> statement-breakpoint
CREATE TABLE "currencies" (
	"code" text PRIMARY KEY NOT NULL,
	"scale" smallint NOT NULL,
	CONSTRAINT "currencies_code_form" CHECK ("currencies"."code" ~ '^[A-Z0-9_]{3,12}$'),
	CONSTRAINT "currencies_scale_range" CHECK ("currencies"."scale" between 0 and 8)
);--> statement-breakpoint
CREATE TABLE "accounts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"owner_id" uuid,
	"currency" text NOT NULL,
	"name" text,
	"public_name" text,
	"status" text DEFAULT 'OPEN' NOT NULL,
	"idempotency_key" uuid,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "accounts_status_known" CHECK ("accounts"."status" in ('OPEN', 'FROZEN', 'CLOSED'))
);--> statement-breakpoint
-- ISO 4217 as of amendment 180: the codes that have a number of digits. It is that of the standard, not of CLDR, which says 0
-- for HUF and IQD. ANG, BGN and CUC left the standard in 2025 and 2026, and are here for the accounts that have them.
INSERT INTO "currencies" ("code", "scale") VALUES
('AED', 2), ('AFN', 2), ('ALL', 2), ('AMD', 2), ('ANG', 2), ('AOA', 2), ('ARS', 2), ('AUD', 2), ('AWG', 2),
('AZN', 2), ('BAM', 2), ('BBD', 2), ('BDT', 2), ('BGN', 2), ('BHD', 3), ('BIF', 0), ('BMD', 2), ('BND', 2),
('BOB', 2), ('BOV', 2), ('BRL', 2), ('BSD', 2), ('BTN', 2), ('BWP', 2), ('BYN', 2), ('BZD', 2), ('CAD', 2),
('CDF', 2), ('CHE', 2), ('CHF', 2), ('CHW', 2), ('CLF', 4), ('CLP', 0), ('CNY', 2), ('COP', 2), ('COU', 2),
('CRC', 2), ('CUC', 2), ('CUP', 2), ('CVE', 2), ('CZK', 2), ('DJF', 0), ('DKK', 2), ('DOP', 2), ('DZD', 2),
('EGP', 2), ('ERN', 2), ('ETB', 2), ('EUR', 2), ('FJD', 2), ('FKP', 2), ('GBP', 2), ('GEL', 2), ('GHS', 2),
('GIP', 2), ('GMD', 2), ('GNF', 0), ('GTQ', 2), ('GYD', 2), ('HKD', 2), ('HNL', 2), ('HTG', 2), ('HUF', 2),
('IDR', 2), ('ILS', 2), ('INR', 2), ('IQD', 3), ('IRR', 2), ('ISK', 0), ('JMD', 2), ('JOD', 3), ('JPY', 0),
('KES', 2), ('KGS', 2), ('KHR', 2), ('KMF', 0), ('KPW', 2), ('KRW', 0), ('KWD', 3), ('KYD', 2), ('KZT', 2),
('LAK', 2), ('LBP', 2), ('LKR', 2), ('LRD', 2), ('LSL', 2), ('LYD', 3), ('MAD', 2), ('MDL', 2), ('MGA', 2),
('MKD', 2), ('MMK', 2), ('MNT', 2), ('MOP', 2), ('MRU', 2), ('MUR', 2), ('MVR', 2), ('MWK', 2), ('MXN', 2),
('MXV', 2), ('MYR', 2), ('MZN', 2), ('NAD', 2), ('NGN', 2), ('NIO', 2), ('NOK', 2), ('NPR', 2), ('NZD', 2),
('OMR', 3), ('PAB', 2), ('PEN', 2), ('PGK', 2), ('PHP', 2), ('PKR', 2), ('PLN', 2), ('PYG', 0), ('QAR', 2),
('RON', 2), ('RSD', 2), ('RUB', 2), ('RWF', 0), ('SAR', 2), ('SBD', 2), ('SCR', 2), ('SDG', 2), ('SEK', 2),
('SGD', 2), ('SHP', 2), ('SLE', 2), ('SOS', 2), ('SRD', 2), ('SSP', 2), ('STN', 2), ('SVC', 2), ('SYP', 2),
('SZL', 2), ('THB', 2), ('TJS', 2), ('TMT', 2), ('TND', 3), ('TOP', 2), ('TRY', 2), ('TTD', 2), ('TWD', 2),
('TZS', 2), ('UAH', 2), ('UGX', 0), ('USD', 2), ('USN', 2), ('UYI', 0), ('UYU', 2), ('UYW', 4), ('UZS', 2),
('VED', 2), ('VES', 2), ('VND', 0), ('VUV', 0), ('WST', 2), ('XAD', 2), ('XAF', 0), ('XCD', 2), ('XCG', 2),
('XOF', 0), ('XPF', 0), ('YER', 2), ('ZAR', 2), ('ZMW', 2), ('ZWG', 2);--> statement-breakpoint
CREATE TRIGGER "currencies_fixed" BEFORE UPDATE OR DELETE OR TRUNCATE ON "currencies" FOR EACH STATEMENT EXECUTE FUNCTION "private"."refuse_change"();--> statement-breakpoint
ALTER TABLE "currencies" ENABLE ALWAYS TRIGGER "currencies_fixed";--> statement-breakpoint
-- The currency of accounts that are made without naming one. The migrating session says which it is to be.
ALTER TABLE "private"."ledger" ADD COLUMN "currency" text;--> statement-breakpoint
UPDATE "private"."ledger" SET "currency" = coalesce(nullif(current_setting('thesaurum.ledger_currency', true), ''), 'USD');--> statement-breakpoint
ALTER TABLE "private"."ledger" ALTER COLUMN "currency" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "private"."ledger" ADD CONSTRAINT "ledger_currency_currencies_code_fk" FOREIGN KEY ("currency") REFERENCES "public"."currencies"("code") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
-- Every user has a main account, whose id is theirs: those who are here, and each new one by a trigger, so that no path can
-- forget it: it runs with the rights of its owner, since a role that may make users need not read the ledger's currency. It does
-- nothing where the account is made in the same statement, in a currency of its own.
INSERT INTO "accounts" ("id", "owner_id", "currency", "created_at", "updated_at")
SELECT "users"."id", "users"."id", "ledger"."currency", "users"."created_at", "users"."created_at" FROM "public"."users", "private"."ledger";--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_currency_currencies_code_fk" FOREIGN KEY ("currency") REFERENCES "public"."currencies"("code") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "accounts_idempotency_key_unique" ON "accounts" USING btree ("idempotency_key");--> statement-breakpoint
CREATE INDEX "accounts_owner" ON "accounts" USING btree ("owner_id","id");--> statement-breakpoint
CREATE FUNCTION "private"."make_main_account"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO public.accounts (id, owner_id, currency, created_at, updated_at)
  SELECT new.id, new.id, ledger.currency, new.created_at, new.created_at FROM private.ledger
  ON CONFLICT (id) DO NOTHING;
  RETURN NULL;
END;
$$;--> statement-breakpoint
CREATE TRIGGER "users_main_account" AFTER INSERT ON "users" FOR EACH ROW EXECUTE FUNCTION "private"."make_main_account"();--> statement-breakpoint
-- The amounts of transactions are in the currency of their accounts, so that may change only while there is no transaction.
CREATE FUNCTION "private"."keep_account"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF (new.id, new.owner_id, new.idempotency_key) IS DISTINCT FROM (old.id, old.owner_id, old.idempotency_key)
    OR EXISTS (SELECT FROM public.transactions)
  THEN
    RAISE EXCEPTION 'the id, owner and currency of an account never change' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  RETURN new;
END;
$$;--> statement-breakpoint
CREATE TRIGGER "accounts_fixed" BEFORE UPDATE ON "accounts" FOR EACH ROW
WHEN ((new.id, new.owner_id, new.idempotency_key, new.currency) IS DISTINCT FROM (old.id, old.owner_id, old.idempotency_key, old.currency))
EXECUTE FUNCTION "private"."keep_account"();--> statement-breakpoint
ALTER TABLE "accounts" ENABLE ALWAYS TRIGGER "accounts_fixed";--> statement-breakpoint
-- Transactions and checkpoints are of accounts. `transactions_destination_entries` stays as it is.
ALTER TABLE "transactions" DROP CONSTRAINT "transactions_source_user_id_users_id_fk";--> statement-breakpoint
ALTER TABLE "transactions" DROP CONSTRAINT "transactions_destination_user_id_users_id_fk";--> statement-breakpoint
ALTER TABLE "transactions" RENAME COLUMN "source_user_id" TO "source_account_id";--> statement-breakpoint
ALTER TABLE "transactions" RENAME COLUMN "destination_user_id" TO "destination_account_id";--> statement-breakpoint
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_source_account_id_accounts_id_fk" FOREIGN KEY ("source_account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "transactions" ADD CONSTRAINT "transactions_destination_account_id_accounts_id_fk" FOREIGN KEY ("destination_account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "private"."balance_checkpoints" DROP CONSTRAINT "balance_checkpoints_user_id_users_id_fk";--> statement-breakpoint
ALTER TABLE "private"."balance_checkpoints" RENAME COLUMN "user_id" TO "account_id";--> statement-breakpoint
ALTER TABLE "private"."balance_checkpoints" ADD CONSTRAINT "balance_checkpoints_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER VIEW "private"."entries" RENAME COLUMN "source_user_id" TO "source_account_id";--> statement-breakpoint
ALTER VIEW "private"."entries" RENAME COLUMN "destination_user_id" TO "destination_account_id";--> statement-breakpoint
COMMENT ON VIEW "private"."entries" IS 'The entries of accounts: number, signed change in minor units, and the transaction.';--> statement-breakpoint
-- Failed attempts, with the codes and messages that they would have now.
ALTER TABLE "private"."failed_transactions" RENAME COLUMN "source_user_id" TO "source_account_id";--> statement-breakpoint
ALTER TABLE "private"."failed_transactions" RENAME COLUMN "destination_user_id" TO "destination_account_id";--> statement-breakpoint
UPDATE "private"."failed_transactions" SET "code" = 'SAME_ACCOUNT', "message" = 'Source and destination must be different accounts.' WHERE "code" = 'SAME_USER';--> statement-breakpoint
UPDATE "private"."failed_transactions" SET "code" = 'ACCOUNT_NOT_FOUND', "message" = 'There is no such account. Check the id.' WHERE "code" = 'USER_NOT_FOUND';--> statement-breakpoint
-- Whoever may do something with users may do the same with accounts, which were a part of them.
DO $$
DECLARE
  granted record;
BEGIN
  FOR granted IN
    SELECT CASE WHEN grantee = 0 THEN 'public' ELSE grantee::regrole::text END AS grantee, privilege_type
    FROM pg_class, aclexplode(relacl)
    WHERE pg_class.oid = 'public.users'::regclass AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND grantee <> relowner
  LOOP
    EXECUTE format('GRANT %s ON public.accounts TO %s', granted.privilege_type, granted.grantee);
    IF granted.privilege_type IN ('SELECT', 'INSERT') THEN
      EXECUTE format('GRANT %s ON public.currencies TO %s', granted.privilege_type, granted.grantee);
    END IF;
  END LOOP;
END;
$$;--> statement-breakpoint
-- The functions have parameters with other names, so they are made anew. The old ones lend them their rights and go.
ALTER FUNCTION "public"."get_current_balance"(uuid) RENAME TO "get_current_balance_of_user";--> statement-breakpoint
ALTER FUNCTION "public"."get_balance_on_date"(uuid, timestamptz) RENAME TO "get_balance_on_date_of_user";--> statement-breakpoint
CREATE FUNCTION "public"."get_current_balance"(account_id uuid) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT (coalesce(checkpoint.balance, 0) + tail.total)::bigint
  FROM public.accounts
  LEFT JOIN LATERAL (
    SELECT c.sequence, c.balance FROM private.balance_checkpoints c
    WHERE c.account_id = accounts.id ORDER BY c.through DESC LIMIT 1
  ) checkpoint ON true
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.change), 0) AS total FROM private.entries e
    WHERE e.account_id = accounts.id AND e.sequence > coalesce(checkpoint.sequence, 0)
  ) tail
  WHERE accounts.id = get_current_balance.account_id;
END;--> statement-breakpoint
COMMENT ON FUNCTION "public"."get_current_balance"(uuid) IS 'The balance of an account now, in minor units of its currency. NULL when there is no such account.';--> statement-breakpoint
-- Entries at `at` itself count. The next checkpoint bounds the scan, so the cost is that of one gap between checkpoints.
CREATE FUNCTION "public"."get_balance_on_date"(account_id uuid, at timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT (coalesce(checkpoint.balance, 0) + moved.total)::bigint
  FROM public.accounts
  LEFT JOIN LATERAL (
    SELECT c.sequence, c.balance FROM private.balance_checkpoints c
    WHERE c.account_id = accounts.id AND c.through <= get_balance_on_date.at ORDER BY c.through DESC LIMIT 1
  ) checkpoint ON true
  LEFT JOIN LATERAL (
    SELECT c.sequence FROM private.balance_checkpoints c
    WHERE c.account_id = accounts.id AND c.through > get_balance_on_date.at ORDER BY c.through LIMIT 1
  ) bound ON true
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.change), 0) AS total FROM private.entries e
    WHERE e.account_id = accounts.id AND e.sequence > coalesce(checkpoint.sequence, 0)
      AND e.sequence < coalesce(bound.sequence, 9223372036854775807) AND e.created_at <= get_balance_on_date.at
  ) moved
  WHERE accounts.id = get_balance_on_date.account_id AND get_balance_on_date.at IS NOT NULL;
END;--> statement-breakpoint
COMMENT ON FUNCTION "public"."get_balance_on_date"(uuid, timestamptz) IS 'The balance of an account at a moment, in minor units of its currency, entries at that very moment included. NULL when there is no such account.';--> statement-breakpoint
DO $$
DECLARE
  copied record;
  granted record;
BEGIN
  FOR copied IN
    SELECT old.proacl, old.proowner, format('%s(%s)', new.oid::regproc, pg_get_function_identity_arguments(new.oid)) AS signature
    FROM pg_proc old JOIN pg_proc new ON new.pronamespace = old.pronamespace AND old.proname = new.proname || '_of_user'
    WHERE old.pronamespace = 'public'::regnamespace AND new.proname IN ('get_current_balance', 'get_balance_on_date') AND old.proacl IS NOT NULL
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM public', copied.signature);
    FOR granted IN
      SELECT CASE WHEN grantee = 0 THEN 'public' ELSE grantee::regrole::text END AS grantee
      FROM aclexplode(copied.proacl) WHERE privilege_type = 'EXECUTE' AND grantee <> copied.proowner
    LOOP
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', copied.signature, granted.grantee);
    END LOOP;
  END LOOP;
END;
$$;--> statement-breakpoint
DROP FUNCTION "public"."get_current_balance_of_user"(uuid);--> statement-breakpoint
DROP FUNCTION "public"."get_balance_on_date_of_user"(uuid, timestamptz);
