-- Helpers that name tables without a schema and are handed who asks; settings without which every policy raises; whose a document is says its path.
-- roles: helper_app
-- leaks: crm.memos
CREATE SCHEMA crm;
GRANT USAGE ON SCHEMA crm TO helper_app;
ALTER ROLE helper_app SET search_path = crm, public;
SET search_path = crm, public;
CREATE TABLE crm.agencies (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text NOT NULL);
CREATE TABLE crm.seats (agency_id uuid NOT NULL REFERENCES crm.agencies, holder uuid NOT NULL, role text NOT NULL DEFAULT 'clerk' CHECK (role IN ('clerk', 'chief')), PRIMARY KEY (agency_id, holder));
CREATE TABLE crm.cases (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), agency_id uuid NOT NULL REFERENCES crm.agencies, opened_by uuid NOT NULL, title text NOT NULL);
CREATE TABLE crm.memos (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), agency_id uuid NOT NULL REFERENCES crm.agencies, body text NOT NULL);
CREATE TABLE crm.drawers (id bigint PRIMARY KEY, path text NOT NULL UNIQUE CHECK (path ~ '^[pt](/[\w-]+){2,}$'), content text);
CREATE FUNCTION crm.me() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('crm.person', true), '')::uuid $$;
CREATE FUNCTION crm.sits_in(agency uuid, person uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN RETURN EXISTS (SELECT FROM seats s WHERE s.agency_id = agency AND s.holder = person); END $$;
CREATE FUNCTION crm.leads(agency uuid, person uuid DEFAULT crm.me()) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN RETURN EXISTS (SELECT FROM seats s WHERE s.agency_id = agency AND s.holder = person AND s.role = 'chief'); END $$;
ALTER TABLE crm.agencies ENABLE ROW LEVEL SECURITY; ALTER TABLE crm.seats ENABLE ROW LEVEL SECURITY; ALTER TABLE crm.cases ENABLE ROW LEVEL SECURITY;
ALTER TABLE crm.memos ENABLE ROW LEVEL SECURITY; ALTER TABLE crm.drawers ENABLE ROW LEVEL SECURITY;
CREATE POLICY agencies_seen ON crm.agencies FOR SELECT USING (crm.sits_in(id, crm.me()));
CREATE POLICY agencies_led ON crm.agencies FOR UPDATE USING (crm.leads(id));
CREATE POLICY seats_seen ON crm.seats FOR SELECT USING (crm.sits_in(agency_id, crm.me()));
CREATE POLICY seats_given ON crm.seats FOR INSERT WITH CHECK (crm.leads(agency_id));
CREATE POLICY cases_all ON crm.cases USING (crm.sits_in(agency_id, crm.me()) OR current_setting('crm.auditor')::boolean) WITH CHECK (crm.sits_in(agency_id, crm.me()));
CREATE POLICY memos_seen ON crm.memos FOR SELECT USING (crm.sits_in(agency_id, crm.me()));
-- The agency is forgotten: whoever sits anywhere may write a memo for all of them.
CREATE POLICY memos_written ON crm.memos FOR INSERT WITH CHECK (EXISTS (SELECT FROM crm.seats s WHERE s.holder = crm.me()));
CREATE POLICY drawers_own ON crm.drawers USING (split_part(path, '/', 1) = 'p' AND split_part(path, '/', 2) = current_setting('crm.person', true));
CREATE POLICY drawers_of_teams ON crm.drawers USING (split_part(path, '/', 1) = 't' AND split_part(path, '/', 2) = ANY (string_to_array(current_setting('crm.teams'), ',')));
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crm TO helper_app;
RESET search_path;
