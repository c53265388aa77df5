//! Databases that nobody prepared: the backup drill passes on them, and the steps that count read them, without a false alarm.

use std::sync::OnceLock;

use crate::environment::{given, world};
use crate::support::{TestDb, cluster, connect};

/// See its head. Without ICU its collations are the server's own.
fn grown(icu: bool) -> String {
    let sql = include_str!("grown.sql");
    match icu {
        true => sql.to_owned(),
        false => sql
            .replace("(provider = icu, locale = 'de-u-co-phonebk')", "FROM \"C\"")
            .replace("(provider = icu, locale = 'und-u-ks-level2', deterministic = false)", "FROM \"C\""),
    }
}

pub async fn database() -> TestDb {
    static ROLES: OnceLock<tokio::sync::OnceCell<bool>> = OnceLock::new();
    let icu = ROLES.get_or_init(Default::default).get_or_init(|| async {
        let admin = connect(&cluster().url("postgres")).await;
        admin.batch("CREATE ROLE app_owner; CREATE ROLE app_ro; CREATE ROLE \"Weird Role\"").await.unwrap();
        !admin.query("SELECT FROM pg_collation WHERE collname LIKE '%-x-icu' LIMIT 1", &[]).await.unwrap().is_empty()
    });
    let db = TestDb::empty().await;
    let (admin, mut statements) = (db.admin().await, String::new());
    // What stands on one line is one transaction.
    for line in grown(*icu.await).lines() {
        statements.push_str(line);
        statements.push('\n');
        if line.ends_with(';') {
            admin.batch(&statements).await.unwrap_or_else(|error| panic!("{error}: {statements}"));
            statements.clear();
        }
    }
    db
}

#[tokio::test]
async fn the_backup_of_a_grown_database_is_restored_and_equal() {
    if !crate::support::contrib("the_backup_of_a_grown_database_is_restored_and_equal") {
        return;
    }
    let db = database().await;
    let given = given(&db.target("postgres").await, &world("[migrations]\nbaseline = \"001\"\n")).await;
    given.result.as_ref().unwrap();
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert!(given.report.headline.ends_with(" restored and compared"), "{}", given.report.headline);
    assert!(!format!("{:?} {}", given.report, given.log).contains("canary"), "a secret of a server or a subscription is told");
}

/// Every kind of object through the whole drill: large objects, unlogged and foreign tables, generated columns, tables without keys, sequences of
/// another schema and another owner than the table that uses them; on a database whose own settings would end a dump within the tenth of a second.
#[tokio::test]
async fn the_backup_of_every_kind_of_object_is_restored_and_equal_whatever_the_databases_settings() {
    if !crate::support::contrib("the_backup_of_every_kind_of_object_is_restored_and_equal_whatever_the_databases_settings") {
        return;
    }
    let db = TestDb::from_template("everything", "postgres", crate::catalog::EVERYTHING).await;
    db.admin()
        .await
        .batch(&format!(
            r#"CREATE SEQUENCE "o'dd ""schema".elsewhere; ALTER TABLE points ALTER k SET DEFAULT nextval('"o''dd ""schema".elsewhere');
               CREATE SEQUENCE lent; GRANT ALL ON lent TO migrator; ALTER TABLE base ADD m bigint DEFAULT nextval('lent'); ALTER SEQUENCE lent OWNER TO migrator;
               SELECT nextval('"o''dd ""schema".elsewhere'), setval('lent', 77, false);
               ALTER DATABASE {0} SET statement_timeout = '100ms'; ALTER DATABASE {0} SET idle_in_transaction_session_timeout = '100ms';
               ALTER DATABASE {0} SET lock_timeout = '1ms'; ALTER DATABASE {0} SET default_transaction_read_only = on; ALTER DATABASE {0} SET row_security = off;
               ALTER DATABASE {0} SET bytea_output = 'escape'; ALTER DATABASE {0} SET datestyle = 'German'; ALTER DATABASE {0} SET extra_float_digits = -5"#,
            db.name
        ))
        .await
        .unwrap();
    let given = given(&db.target("postgres").await, &world("[migrations]\nbaseline = \"001\"\n[backup]\njobs = 2\n")).await;
    given.result.as_ref().unwrap();
    for check in ["backup-made", "backup-restores", "backup-matches-source"] {
        assert_eq!(given.outcome(check), "pass", "{check}: {:?}", given.found(check));
    }
    assert!(!format!("{:?} {}", given.report, given.log).contains("canary"), "a secret is told");
}
