-- subject: pgmq.q_mails
-- parameters: {"tables": [], "roles": ["anon", "authenticated"]}
-- setup
DO $$ BEGIN CREATE ROLE anon NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE authenticated NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE SCHEMA pgmq;
CREATE TABLE pgmq.q_mails (msg_id bigint PRIMARY KEY, message jsonb);
GRANT USAGE ON SCHEMA pgmq TO authenticated;
-- defect
GRANT SELECT ON pgmq.q_mails TO authenticated;
-- repair
ALTER TABLE pgmq.q_mails ENABLE ROW LEVEL SECURITY;
