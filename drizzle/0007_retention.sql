CREATE INDEX "api_tokens_ended" ON "private"."api_tokens" USING btree (least("expires_at", "revoked_at"));--> statement-breakpoint
CREATE INDEX "sessions_ended" ON "private"."sessions" USING btree (least("expires_at", "revoked_at"));--> statement-breakpoint
CREATE INDEX "sign_in_limits_expire" ON "private"."sign_in_limits" USING btree ("expire");