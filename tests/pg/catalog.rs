use migration_ledger::pg::catalog::{Catalog, diff_states, table_states};
use migration_ledger::pg::{Access, Session};

use crate::support::{TestDb, cluster};

/// One of each kind, with hostile names.
const EVERYTHING: &str = r#"
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE SCHEMA "o'dd ""schema";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int NOT NULL DEFAULT 1 CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TYPE span AS RANGE (subtype = int);
CREATE SEQUENCE numbers INCREMENT 5 MAXVALUE 1000 CYCLE;
CREATE TABLE parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(40) COLLATE "C" NOT NULL, at timestamptz DEFAULT now(),
    twice int GENERATED ALWAYS AS (1 + 1) STORED, feels mood, many positive, UNIQUE (name)) WITH (fillfactor = 80);
CREATE TABLE "o'dd ""schema"."Tab le" ("select" serial, parent_id int REFERENCES parent (id) ON DELETE CASCADE, "we""ird" pair, UNIQUE ("select", parent_id));
ALTER TABLE parent ADD CONSTRAINT short CHECK (length(name) < 30) NOT VALID;
CREATE TABLE parted (k int NOT NULL, d date NOT NULL, PRIMARY KEY (k, d)) PARTITION BY RANGE (d);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE points (k int, d date, FOREIGN KEY (k, d) REFERENCES parted);
CREATE UNLOGGED TABLE scratchy (n int);
CREATE INDEX by_name ON parent (lower(name)) WHERE id > 3;
CREATE INDEX ON parted (d DESC);
CREATE VIEW names AS SELECT name FROM parent WHERE id > 1;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM parent;
CREATE FUNCTION shout(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper(t) $$;
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$ BEGIN RETURN NEW; END $$;
CREATE PROCEDURE nothing() LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE TRIGGER watch BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION guard();
CREATE TRIGGER asleep BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION guard();
ALTER TABLE parent DISABLE TRIGGER asleep;
CREATE RULE quiet AS ON DELETE TO scratchy DO INSTEAD NOTHING;
ALTER TABLE parent ENABLE ROW LEVEL SECURITY; ALTER TABLE parent FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON parent FOR SELECT TO app_user, migrator USING (name = current_setting('app.tenant_id', true));
CREATE POLICY never ON parent AS RESTRICTIVE FOR INSERT WITH CHECK (false);
CREATE STATISTICS together ON id, name FROM parent;
CREATE PUBLICATION news FOR TABLE parent (id, name) WHERE (id > 0);
GRANT SELECT, UPDATE (name) ON parent TO app_user; GRANT ALL ON scratchy TO app_user WITH GRANT OPTION; GRANT USAGE ON SEQUENCE numbers TO app_user;
REVOKE ALL ON FUNCTION shout(text) FROM PUBLIC; GRANT USAGE ON SCHEMA "o'dd ""schema" TO app_user; REVOKE INSERT ON points FROM CURRENT_USER;
REVOKE ALL ON parted_1 FROM CURRENT_USER;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO app_user;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER TABLE scratchy OWNER TO migrator;
COMMENT ON TABLE parent IS 'the parents'; COMMENT ON COLUMN parent.name IS 'what they are called'; COMMENT ON CONSTRAINT short ON parent IS 'short';
COMMENT ON POLICY mine ON parent IS 'mine only';
INSERT INTO parent (name, feels) SELECT 'p' || n, 'ok' FROM generate_series(1, 20) n;
INSERT INTO "o'dd ""schema"."Tab le" (parent_id, "we""ird") SELECT n, ROW(n, E'a,"b\n')::pair FROM generate_series(1, 20) n;
INSERT INTO parted SELECT n, '2026-05-05' FROM generate_series(1, 7) n; INSERT INTO scratchy VALUES (1), (1), (NULL);
"#;

async fn snapshot(session: &Session) -> Catalog {
    session.batch("SET search_path = ''").await.unwrap();
    Catalog::read(session, &[]).await.unwrap()
}

fn lines(before: &Catalog, after: &Catalog) -> Vec<String> {
    before.diff(after).iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn every_kind_is_seen_and_a_restored_copy_is_equal() {
    let db = TestDb::with(EVERYTHING).await;
    let session = db.admin().await;
    let before = snapshot(&session).await;
    for kind in [
        "schema",
        "extension",
        "type",
        "table",
        "column",
        "row security",
        "policy",
        "constraint",
        "index",
        "view",
        "materialized view",
        "function",
        "procedure",
        "aggregate",
        "trigger",
        "rule",
        "sequence",
        "statistics",
        "publication",
        "grant",
        "default grant",
        "owner",
        "comment",
    ] {
        assert!(before.count(kind) > 0, "no {kind}");
    }
    let copy = TestDb::empty().await;
    let cluster = cluster();
    let run = |program: &str, args: &[&str]| {
        let status = std::process::Command::new(cluster.bin().join(program)).args(args).status().unwrap();
        assert!(status.success(), "{program}");
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    run("pg_dump", &["-Fc", "-f", path, "-d", &db.url()]);
    run("pg_restore", &["-e", "-d", &copy.url(), path]);
    let restored = copy.admin().await;
    let after = snapshot(&restored).await;
    assert_eq!(lines(&before, &after), Vec::<String>::new());
    assert_eq!(before.fingerprint(), after.fingerprint());
    let (a, b) = (table_states(&session, &[]).await.unwrap(), table_states(&restored, &[]).await.unwrap());
    assert_eq!(a, b);
    assert_eq!(
        a.iter().map(|s| (s.table.as_str(), s.rows)).collect::<Vec<_>>(),
        [(r#""o'dd ""schema"."Tab le""#, 20), ("public.parent", 20), ("public.parted_1", 7), ("public.points", 0), ("public.scratchy", 3)]
    );
}

#[tokio::test]
async fn every_single_change_shows_and_its_reverse_is_silent() {
    let db = TestDb::with(EVERYTHING).await;
    let session = db.admin().await;
    let before = snapshot(&session).await;
    let changes = [
        (
            "ALTER TABLE public.parent NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE public.parent FORCE ROW LEVEL SECURITY",
            "row security public.parent changed: enabled, forced → enabled, not forced",
        ),
        ("ALTER TABLE public.points ADD COLUMN x int", "ALTER TABLE public.points DROP COLUMN x", "column public.points.x added"),
        (
            "ALTER TABLE public.parent ALTER COLUMN name DROP NOT NULL",
            "ALTER TABLE public.parent ALTER COLUMN name SET NOT NULL",
            "column public.parent.name changed",
        ),
        (
            "ALTER TABLE public.parent ALTER COLUMN at SET DEFAULT '-infinity'",
            "ALTER TABLE public.parent ALTER COLUMN at SET DEFAULT now()",
            "column public.parent.at changed",
        ),
        (
            "ALTER POLICY mine ON public.parent TO app_user",
            "ALTER POLICY mine ON public.parent TO app_user, migrator",
            "policy public.parent.mine changed",
        ),
        (
            "ALTER POLICY mine ON public.parent USING (true)",
            "ALTER POLICY mine ON public.parent USING (name = current_setting('app.tenant_id', true))",
            "policy public.parent.mine changed",
        ),
        (
            "ALTER TABLE public.parent ENABLE TRIGGER asleep",
            "ALTER TABLE public.parent DISABLE TRIGGER asleep",
            "trigger public.parent.asleep changed",
        ),
        (
            "GRANT DELETE ON public.parent TO app_user",
            "REVOKE DELETE ON public.parent FROM app_user",
            "grant table public.parent to app_user changed: SELECT → DELETE, SELECT",
        ),
        (
            "GRANT EXECUTE ON FUNCTION public.shout(text) TO PUBLIC",
            "REVOKE EXECUTE ON FUNCTION public.shout(text) FROM PUBLIC",
            "grant function public.shout(t text) to PUBLIC added",
        ),
        (
            "REVOKE UPDATE (name) ON public.parent FROM app_user",
            "GRANT UPDATE (name) ON public.parent TO app_user",
            "grant column public.parent.name to app_user removed",
        ),
        (
            "ALTER TABLE public.points OWNER TO migrator; REVOKE INSERT ON public.points FROM migrator",
            "ALTER TABLE public.points OWNER TO postgres",
            "owner table public.points changed: postgres → migrator",
        ),
        ("DROP INDEX public.by_name", "CREATE INDEX by_name ON public.parent (lower(name)) WHERE id > 3", "index public.by_name removed"),
        (
            "ALTER FUNCTION public.guard() SECURITY INVOKER",
            "ALTER FUNCTION public.guard() SECURITY DEFINER",
            "function public.guard() changed",
        ),
        ("ALTER SEQUENCE public.numbers NO CYCLE", "ALTER SEQUENCE public.numbers CYCLE", "sequence public.numbers changed"),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO app_user",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE INSERT ON TABLES FROM app_user",
            "default grant tables of postgres in schema public to app_user changed",
        ),
        ("COMMENT ON TABLE public.parent IS 'x'", "COMMENT ON TABLE public.parent IS 'the parents'", "comment table public.parent changed"),
        (
            "ALTER TABLE public.parent VALIDATE CONSTRAINT short",
            "ALTER TABLE public.parent DROP CONSTRAINT short; ALTER TABLE public.parent ADD CONSTRAINT short CHECK (length(name) < 30) NOT VALID; COMMENT ON CONSTRAINT short ON public.parent IS 'short'",
            "constraint public.parent.short changed",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.by_name'::regclass",
            "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'public.by_name'::regclass",
            "invalid index public.by_name added",
        ),
    ];
    for (defect, repair, said) in changes {
        session.batch(defect).await.unwrap();
        let found = lines(&before, &snapshot(&session).await);
        assert!(found.iter().any(|line| line.starts_with(said)), "{defect}: {found:?}");
        session.batch(repair).await.unwrap();
        assert_eq!(lines(&before, &snapshot(&session).await), Vec::<String>::new(), "{repair}");
    }
}

#[tokio::test]
async fn excluded_schemas_are_left_out() {
    let db = TestDb::with("CREATE SCHEMA apart; CREATE TABLE apart.t (n int); CREATE TABLE public.t (n int)").await;
    let session = db.admin().await;
    let excluded = ["apart".to_owned()];
    let catalog = Catalog::read(&session, &excluded).await.unwrap();
    assert!(catalog.objects.values().flat_map(|o| o.keys()).all(|object| !object.contains("apart")), "{catalog:?}");
    assert_eq!(table_states(&session, &excluded).await.unwrap().len(), 1);
}

#[tokio::test]
async fn digests_see_values_and_not_order() {
    let db = TestDb::with("CREATE TABLE a (x text, y text); INSERT INTO a VALUES ('1', NULL), ('2', '')").await;
    let session = db.admin().await;
    let first = table_states(&session, &[]).await.unwrap();
    let same = "BEGIN; CREATE TABLE b AS SELECT y, x FROM a ORDER BY x DESC; DROP TABLE a; ALTER TABLE b RENAME TO a; COMMIT";
    session.batch(same).await.unwrap();
    assert_eq!(first, table_states(&session, &[]).await.unwrap());
    for change in
        ["UPDATE a SET y = '' WHERE x = '1'", "UPDATE a SET x = '1', y = NULL", "INSERT INTO a VALUES ('1', NULL)", "DELETE FROM a"]
    {
        let before = table_states(&session, &[]).await.unwrap();
        session.batch(change).await.unwrap();
        let after = table_states(&session, &[]).await.unwrap();
        assert_eq!(diff_states(&before, &after).len(), 1, "{change}");
    }
}

#[tokio::test]
async fn a_role_that_would_see_only_some_rows_gets_an_error() {
    let db = TestDb::with(
        "CREATE TABLE a (x text); INSERT INTO a VALUES ('1'); ALTER TABLE a ENABLE ROW LEVEL SECURITY; GRANT SELECT ON a TO app_user;
         CREATE POLICY none ON a USING (false)",
    )
    .await;
    let target = db.target("postgres").await;
    let session = target.session(Access::ReadOnly).await.unwrap();
    session.batch("SET ROLE app_user").await.unwrap();
    let error = table_states(&session, &[]).await.unwrap_err();
    assert!(error.is("42501"), "{error}");
}
