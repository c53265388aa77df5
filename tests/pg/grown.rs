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
