//! The deliverables of CE-20: the validation report, the state before the migrations, the backup's particulars.

use serde_json::json;

use super::facts::Facts;
use crate::domain::product::{BackupFacts, TableState};
use crate::pg::Catalog;
use crate::pg::catalog::NOT_COVERED;
use crate::steps::backup::human_bytes;
use crate::steps::paper::{cell, checks, counted, table};
use crate::steps::{Context, StepReport};

/// Attaches the three files. What is not there is said in them, never left out.
pub fn attach(
    cx: &Context<'_>,
    report: &mut StepReport,
    facts: &Facts,
    version: Option<&str>,
    catalog: &Catalog,
    tables: &[TableState],
    backup: Option<&BackupFacts>,
) {
    let text = validation(cx, report, facts, version, catalog, backup);
    report.attach("environment_validation_report.md", "text/markdown", text);
    report.attach_json(
        "pre_migration_state.json",
        &json!({
            "schema": "ledger/database-state/1",
            "server": facts,
            "schema_version": version,
            "catalog_fingerprint": catalog.fingerprint(),
            "counts": catalog.objects.iter().map(|(kind, objects)| (kind.clone(), objects.len())).collect::<std::collections::BTreeMap<_, _>>(),
            "tables": tables,
            "catalog": catalog,
            "excluded_schemas": cx.config.backup.exclude_schemas,
            "not_covered": NOT_COVERED,
        }),
    );
    // The deliverable is the backup's: without one there is none to describe.
    if let Some(backup) = backup {
        report.attach_json("backup_metadata.json", &json!({ "schema": "ledger/backup/1", "label": "pre_migration", "backup": backup }));
    }
}

fn validation(
    cx: &Context<'_>,
    report: &StepReport,
    facts: &Facts,
    version: Option<&str>,
    catalog: &Catalog,
    backup: Option<&BackupFacts>,
) -> String {
    let mut rights = Vec::new();
    for (has, word) in [(facts.superuser, "superuser"), (facts.bypass_rls, "BYPASSRLS"), (facts.create_db, "CREATEDB")] {
        if has {
            rights.push(word);
        }
    }
    let seconds = |us: i64| format!("{:.1} s", us as f64 / 1e6);
    let about = [
        ("Outcome", super::outcome(cx, report).to_string()),
        ("Server", format!("PostgreSQL {}, system {}", facts.server_version, facts.system_identifier)),
        ("Database", format!("{}, {}", facts.database, human_bytes(facts.database_bytes))),
        ("Role", format!("{} ({})", facts.role, if rights.is_empty() { "no special rights".to_owned() } else { rights.join(", ") })),
        ("TLS", facts.tls()),
        ("Schema version", version.unwrap_or("not known").to_owned()),
        (
            "Objects",
            format!(
                "{}, {}, {}",
                counted(catalog.count("table"), "table", "tables"),
                counted(catalog.count("policy"), "policy", "policies"),
                counted(catalog.count("index"), "index", "indexes")
            ),
        ),
        ("Catalog fingerprint", catalog.fingerprint()),
        (
            "Backup",
            backup.map_or("none".to_owned(), |b| {
                format!(
                    "{}, {}, {} entries, sha256 {}, made in {} by {}",
                    b.file,
                    human_bytes(b.bytes),
                    b.toc_entries,
                    b.sha256,
                    seconds(b.dump_us),
                    b.tool
                )
            }),
        ),
        (
            "Digest of the backup's contents",
            backup.map_or("none".to_owned(), |b| {
                format!("{} (catalog and rows; equal for every dump of an equal database)", b.contents_sha256)
            }),
        ),
        ("Restore", backup.and_then(|b| b.restore_us).map_or("not restored".to_owned(), |us| format!("restored in {}", seconds(us)))),
    ];
    let mut out = format!("# Environment validation, {}\n\n", cell(cx.task.id.as_str()));
    out.push_str(&table(&["What", "Found"], about.into_iter().map(|(what, found)| vec![what.into(), found.into()])));
    out.push_str("\n## Checks\n\n");
    out.push_str(&checks(&report.evidence));
    out.push_str("\n## Not examined\n\n");
    if facts.local_data_directory().is_none() {
        out.push_str("- Free space on the server's own disk: a client cannot ask for it.\n");
    }
    if !cx.config.backup.exclude_schemas.is_empty() {
        out.push_str(&format!("- Schemas left out of backup and state: {}.\n", cell(&cx.config.backup.exclude_schemas.join(", "))));
    }
    out.push_str(&format!("- In backup comparison and state: {NOT_COVERED}.\n"));
    out.push_str("\n## Settings\n\n");
    out.push_str(&table(
        &["Setting", "Value"],
        facts.settings.iter().map(|(name, value)| vec![name.as_str().into(), value.as_str().into()]),
    ));
    out
}
