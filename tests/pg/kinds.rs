//! No kind of object is forgotten: every system catalog of the server at hand is either in the snapshot, or said not to be; and the kitchen sink has
//! every variety that a catalog's own letters tell apart.

use migration_ledger::pg::Catalog;

use crate::catalog::EVERYTHING;
use crate::support::{TestDb, cluster};

/// What of a system catalog a snapshot holds.
enum In {
    /// Objects of this kind.
    Kind(&'static str),
    /// In the definitions of this kind.
    Of(&'static str),
    /// Nothing, and why.
    Not(&'static str),
}
use In::{Kind, Not, Of};

const SERVER: &str = "the server's, not the database's";
const DERIVED: &str = "follows from what is in it";

const CATALOGS: &[(&str, In)] = &[
    ("pg_aggregate", Of("function")),
    ("pg_am", Kind("access method")),
    ("pg_amop", Of("operator class")),
    ("pg_amproc", Of("operator class")),
    ("pg_attrdef", Of("column")),
    ("pg_attribute", Kind("column")),
    ("pg_auth_members", Not(SERVER)),
    ("pg_authid", Not(SERVER)),
    ("pg_cast", Kind("cast")),
    ("pg_class", Kind("table")),
    ("pg_collation", Kind("collation")),
    ("pg_constraint", Kind("constraint")),
    ("pg_conversion", Kind("conversion")),
    ("pg_database", Kind("database grant")),
    ("pg_db_role_setting", Kind("database setting")),
    ("pg_default_acl", Kind("default grant")),
    ("pg_depend", Not(DERIVED)),
    ("pg_description", Kind("comment")),
    ("pg_enum", Of("type")),
    ("pg_event_trigger", Kind("event trigger")),
    ("pg_extension", Kind("extension")),
    ("pg_foreign_data_wrapper", Kind("foreign data wrapper")),
    ("pg_foreign_server", Kind("foreign server")),
    ("pg_foreign_table", Of("table")),
    ("pg_index", Kind("index")),
    ("pg_inherits", Of("table")),
    ("pg_init_privs", Not("what an extension granted when it was made: the extension's")),
    ("pg_language", Kind("language")),
    ("pg_largeobject", Not("data, which pg::data digests")),
    ("pg_largeobject_metadata", Kind("large objects")),
    ("pg_namespace", Kind("schema")),
    ("pg_opclass", Kind("operator class")),
    ("pg_operator", Kind("operator")),
    ("pg_opfamily", Kind("operator family")),
    ("pg_parameter_acl", Not(SERVER)),
    ("pg_partitioned_table", Of("table")),
    ("pg_policy", Kind("policy")),
    ("pg_proc", Kind("function")),
    ("pg_publication", Kind("publication")),
    ("pg_publication_namespace", Of("publication")),
    ("pg_publication_rel", Of("publication")),
    ("pg_range", Of("type")),
    ("pg_replication_origin", Not(SERVER)),
    ("pg_rewrite", Kind("rule")),
    ("pg_seclabel", Kind("security label")),
    ("pg_sequence", Kind("sequence")),
    ("pg_shdepend", Not(DERIVED)),
    ("pg_shdescription", Not(SERVER)),
    ("pg_shseclabel", Not(SERVER)),
    ("pg_statistic", Not("what ANALYZE found")),
    ("pg_statistic_ext", Kind("statistics")),
    ("pg_statistic_ext_data", Not("what ANALYZE found")),
    ("pg_subscription", Kind("subscription")),
    ("pg_subscription_rel", Not("how far a subscription is")),
    ("pg_tablespace", Not(SERVER)),
    ("pg_transform", Kind("transform")),
    ("pg_trigger", Kind("trigger")),
    ("pg_ts_config", Kind("text search configuration")),
    ("pg_ts_config_map", Of("text search configuration")),
    ("pg_ts_dict", Kind("text search dictionary")),
    ("pg_ts_parser", Kind("text search parser")),
    ("pg_ts_template", Kind("text search template")),
    ("pg_type", Kind("type")),
    ("pg_user_mapping", Kind("user mapping")),
];

/// Letters by which catalogs tell varieties apart, and those that the kitchen sink must have of its own.
const VARIETIES: &[(&str, &str)] = &[
    ("relkind::text FROM pg_class WHERE oid >= 16384", "I S c f i m p r t v"),
    ("relpersistence::text FROM pg_class WHERE oid >= 16384", "p u"),
    ("typtype::text FROM pg_type WHERE oid >= 16384", "b c d e m p r"),
    ("contype::text FROM pg_constraint WHERE oid >= 16384", "c f p t u x"),
    ("prokind::text FROM pg_proc WHERE oid >= 16384", "a f p w"),
    ("polcmd::text FROM pg_policy", "* a d r w"),
    ("polpermissive::text FROM pg_policy", "false true"),
    (
        "attgenerated::text || attidentity::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.oid >= 16384 AND attnum > 0 AND attgenerated::text || attidentity::text <> ''",
        "a d s",
    ),
    ("confdeltype::text FROM pg_constraint WHERE contype = 'f' AND oid >= 16384", "a c d n r"),
    ("confmatchtype::text FROM pg_constraint WHERE contype = 'f' AND oid >= 16384", "f s"),
    ("partstrat::text FROM pg_partitioned_table", "h l r"),
    ("evtenabled::text FROM pg_event_trigger", "D O"),
    ("tgenabled::text FROM pg_trigger WHERE NOT tgisinternal", "A D O R"),
    ("castmethod::text FROM pg_cast WHERE oid >= 16384", "b f i"),
    ("defaclobjtype::text FROM pg_default_acl", "S T f n r"),
];

#[tokio::test]
async fn every_system_catalog_is_in_the_snapshot_or_said_not_to_be() {
    if !crate::support::contrib("every_system_catalog_is_in_the_snapshot_or_said_not_to_be") {
        return;
    }
    let db = TestDb::from_template("everything", "postgres", EVERYTHING).await;
    let session = db.admin().await;
    // What no dump carries, and what no program here may hand out.
    session
        .batch(&format!(
            "CREATE SUBSCRIPTION theirs CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
             ALTER DATABASE {0} SET work_mem = '2MB'; GRANT CREATE ON DATABASE {0} TO app_user;
             INSERT INTO pg_seclabel SELECT 'parent'::regclass, 'pg_class'::regclass, 0, 'anon', 'MASKED'",
            db.name
        ))
        .await
        .unwrap();
    let asked = "SELECT relname::text FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' ORDER BY 1";
    let there: Vec<String> = session.query(asked, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let known: Vec<&str> = CATALOGS.iter().map(|(catalog, _)| *catalog).collect();
    let forgotten: Vec<&String> = there.iter().filter(|catalog| !known.contains(&catalog.as_str())).collect();
    assert!(forgotten.is_empty(), "PostgreSQL {} has kinds of objects that nobody thought of: {forgotten:?}", cluster().postgres().major);

    let varieties = VARIETIES.iter().map(async |(question, expected)| {
        let rows = session.query(&format!("SELECT DISTINCT {question} ORDER BY 1"), &[]).await.unwrap();
        let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let lacks: Vec<&str> = expected.split(' ').filter(|letter| !found.iter().any(|found| found == letter)).collect();
        (!lacks.is_empty()).then(|| format!("{question}: {lacks:?}"))
    });
    let lacking: Vec<String> = futures_util::future::join_all(varieties).await.into_iter().flatten().collect();
    assert!(lacking.is_empty(), "varieties that the kitchen sink lacks: {lacking:#?}");

    session.batch("SET search_path = ''").await.unwrap();
    let snapshot = Catalog::read(&session, &[]).await.unwrap();
    for (catalog, what) in CATALOGS {
        match what {
            Kind(kind) | Of(kind) => {
                assert!(snapshot.objects.get(*kind).is_some_and(|objects| !objects.is_empty()), "{catalog}: no {kind}")
            }
            Not(why) => assert!(!why.is_empty()),
        }
    }
    session.batch("DROP SUBSCRIPTION theirs").await.unwrap();
}
