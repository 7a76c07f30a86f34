CREATE FUNCTION "private"."refuse_change"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % of %.% is refused', tg_op, tg_table_schema, tg_table_name
    USING ERRCODE = 'object_not_in_prerequisite_state';
END;
$$;--> statement-breakpoint
-- By statement, so that even one that finds no row is refused, and TRUNCATE too.
CREATE TRIGGER "transactions_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "transactions" FOR EACH STATEMENT EXECUTE FUNCTION "private"."refuse_change"();--> statement-breakpoint
-- ALWAYS: session_replication_role = replica would silence an ordinary trigger.
ALTER TABLE "transactions" ENABLE ALWAYS TRIGGER "transactions_append_only";--> statement-breakpoint
INSERT INTO "private"."ledger" ("era") VALUES (gen_random_uuid());
