-- subject: schema public
-- subject: the history of migrations
-- parameters: {"role": "app_user"}
-- setup
GRANT CREATE ON SCHEMA public TO app_user;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO app_user', current_database()); END $$;
-- defect
REVOKE CREATE ON SCHEMA public FROM app_user;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM app_user', current_database()); END $$;
-- repair
GRANT CREATE ON SCHEMA public TO app_user;
CREATE SCHEMA ledger; CREATE TABLE ledger.schema_history (version text);
