//! Rows lost, gained and changed between two copies of a table.

use migration_ledger::pg::data::Columns;
use migration_ledger::pg::rows::{Difference, difference};

use crate::support::TestDb;

/// Two tables with a key, one without, one whose index calls a function that the empty search path does not find.
const TABLES: &str = r#"
    CREATE TABLE "Wi""th key" (a int, "b ""c" text, v text, w float8, x int, PRIMARY KEY ("b ""c", a));
    INSERT INTO "Wi""th key" SELECT n, md5(n::text), 'v' || n, n / 3.0, n FROM generate_series(1, 5000) n;
    CREATE TABLE known (id int NOT NULL UNIQUE, v text);
    INSERT INTO known SELECT n, 'v' FROM generate_series(1, 3000) n;
    CREATE TABLE loose (v text, n int); INSERT INTO loose SELECT 'v' || n % 10, n % 100 FROM generate_series(1, 5000) n;
    CREATE TABLE empty (id int PRIMARY KEY);
    CREATE FUNCTION plain(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)';
    CREATE FUNCTION bare(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN plain(t); END';
    CREATE TABLE called (id int PRIMARY KEY, v text, g text GENERATED ALWAYS AS (bare(v)) STORED);
    INSERT INTO called (id, v) SELECT n, 'V' FROM generate_series(1, 50) n"#;

fn counts(difference: &Difference) -> (u64, u64, u64, bool) {
    (difference.lost, difference.gained, difference.changed, difference.keyed)
}

#[tokio::test]
async fn lost_gained_and_changed_rows_are_counted_apart() {
    let before = TestDb::from_template("rows", "postgres", TABLES).await;
    let after = TestDb::from_template("rows", "postgres", TABLES).await;
    let (one, other) = (before.target("postgres").await, after.target("postgres").await);
    let all = Columns::new();
    let of = async |table: &str| difference(&one, &other, table, &all).await.unwrap_or_else(|error| panic!("{table}: {error}"));
    let key = r#"public."Wi""th key""#;
    assert_eq!(counts(&of(key).await), (0, 0, 0, true));
    assert_eq!(counts(&of("public.loose").await), (0, 0, 0, false));

    let hands = after.admin().await;
    hands
        .batch(
            r#"UPDATE "Wi""th key" SET x = x + 1, w = 0 WHERE a % 1000 = 7; UPDATE known SET v = 'w' WHERE id = 7; DELETE FROM known WHERE id > 2990;
               UPDATE loose SET v = 'other' WHERE ctid IN (SELECT ctid FROM loose LIMIT 3); INSERT INTO loose SELECT 'v1', 1 FROM generate_series(1, 4);
               INSERT INTO empty VALUES (1); UPDATE called SET v = 'W' WHERE id = 3"#,
        )
        .await
        .unwrap();
    let found = of(key).await;
    assert_eq!(counts(&found), (0, 0, 5, true));
    assert_eq!(found.columns, ["w", "x"]);
    let only = Columns::from([(key.to_owned(), vec!["a".to_owned(), "b \"c".to_owned(), "v".to_owned()])]);
    assert_eq!(counts(&difference(&one, &other, key, &only).await.unwrap()), (0, 0, 0, true), "columns that nobody asks about");
    assert_eq!(counts(&of("public.known").await), (10, 0, 1, true));
    // One of the three is there again among the four.
    assert_eq!(counts(&of("public.loose").await), (2, 6, 0, false));
    assert_eq!(counts(&of("public.empty").await), (0, 1, 0, true));
    assert_eq!(of("public.called").await.columns, ["g", "v"]);

    // A key that moves on is a row lost and one gained.
    hands.batch("UPDATE known SET id = id + 100000 WHERE id = 1; INSERT INTO known VALUES (200000, 'new')").await.unwrap();
    assert_eq!(counts(&of("public.known").await), (11, 2, 1, true));
    // Everything, at once.
    hands.batch(r#"UPDATE "Wi""th key" SET v = v || '!'; TRUNCATE loose"#).await.unwrap();
    assert_eq!(counts(&of(key).await), (0, 0, 5000, true));
    assert_eq!(counts(&of("public.loose").await), (5000, 0, 0, false));
    // The migrations took the key away: rows are known by their contents alone.
    hands.batch("ALTER TABLE known DROP CONSTRAINT known_id_key").await.unwrap();
    assert_eq!(counts(&of("public.known").await), (12, 3, 0, false));
}
