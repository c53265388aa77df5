//! Schemas in many styles, each a file of `schemas/`, run with nothing configured. A file's head says what must come out:
//!
//! - `-- uses: supabase`: the catalog surface of a Supabase project first (`supabase.shim`);
//! - `-- roles: a, b`: roles made on the cluster, without login; `-- members: a, b of c`;
//! - `-- as: migrator`: who connects (the superuser by default);
//! - `-- leaks: schema.table; …`: exactly these leak; `-- undecided: …`: exactly these stay open; `-- global: …`: rows of everybody.
//!
//! Every other subject must be decided and isolated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use migration_ledger::config::Tenancy;
use migration_ledger::domain::product::CellVerdict;
use tokio::sync::Mutex;

use super::Examined;
use super::support::TestDb;

/// Roles are the cluster's: made by one test at a time.
static ROLES: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// A schema and what must come out of it.
pub struct Schema {
    pub sql: String,
    pub path: PathBuf,
}

impl Schema {
    pub fn read(path: &Path) -> Self {
        Self { sql: std::fs::read_to_string(path).unwrap(), path: path.to_owned() }
    }

    pub fn named(name: &str) -> Self {
        Self::read(&folder().join(format!("{name}.sql")))
    }

    fn head(&self, word: &str) -> Option<&str> {
        let start = format!("-- {word}:");
        self.sql.lines().take_while(|line| line.starts_with("--")).find_map(|line| line.strip_prefix(&start)).map(str::trim)
    }

    fn list(&self, word: &str) -> BTreeSet<String> {
        self.head(word).into_iter().flat_map(|line| line.split("; ")).map(|item| item.trim().to_owned()).collect()
    }

    /// The database, with roles, shim and schema; `more` is run after it.
    pub async fn database(&self, more: &str) -> TestDb {
        let db = TestDb::empty().await;
        let admin = db.admin().await;
        {
            let _one = ROLES.lock().await;
            for role in self.head("roles").into_iter().flat_map(|line| line.split(", ")) {
                let role = if role.starts_with('"') { role.to_owned() } else { format!("\"{role}\"") };
                let made = format!("DO $made$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $made$");
                admin.batch(&made).await.unwrap();
            }
            if let Some((members, of)) = self.head("members").and_then(|line| line.split_once(" of ")) {
                admin.batch(&format!("GRANT {of} TO {members}")).await.unwrap();
            }
            if self.head("uses") == Some("supabase") {
                let shim = std::fs::read_to_string(folder().join("supabase.shim")).unwrap();
                admin.batch(&shim).await.unwrap_or_else(|error| panic!("shim: {error}"));
            }
        }
        admin
            .batch(&format!("SET check_function_bodies = off; {}\n{more}", self.sql))
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        db
    }

    /// Who connects.
    pub fn role(&self) -> &str {
        self.head("as").unwrap_or("postgres")
    }

    pub async fn examined(&self, more: &str) -> Examined {
        let db = self.database(more).await;
        Examined::of(&db, self.role(), &Tenancy::default()).await
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/row_security/schemas")
}

/// Subjects by what was found.
#[derive(Debug, Default)]
pub struct Found {
    pub leaks: BTreeSet<String>,
    pub undecided: BTreeSet<String>,
    pub decided: usize,
    pub total: usize,
}

pub fn found(examined: &Examined) -> Found {
    let mut found = Found::default();
    let mut subjects: BTreeSet<String> = examined.isolation.tables.iter().cloned().collect();
    subjects.extend(examined.isolation.cells.iter().map(|cell| cell.cell.table.clone()));
    for subject in subjects {
        // No policy decides about TRUNCATE; rls-truncate has it.
        let cells: Vec<_> = examined.isolation.cells.iter().filter(|c| c.cell.table == subject && c.cell.command != "TRUNCATE").collect();
        let has = |verdict| cells.iter().any(|cell| cell.cell.verdict == verdict);
        found.total += 1;
        match (has(CellVerdict::Leak), has(CellVerdict::Undecided)) {
            (true, _) => drop(found.leaks.insert(subject.clone())),
            (false, true) => drop(found.undecided.insert(subject.clone())),
            (false, false) => {}
        }
    }
    found.decided = found.total - found.undecided.len();
    found
}

macro_rules! schemas {
    ($($name:ident)*) => {
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(#[tokio::test(flavor = "current_thread")]
        async fn $name() {
            decided_as_its_head_says(stringify!($name)).await;
        })*
    };
}

schemas! {
    academy accounts_kit agents app_roles borrowing chats claimed_roles clinic composite_keys django family guc_int guc_text guc_uuid helpers hostile jwt_tenant
    mandant market mixed nested newcomers parties permission_lists postgrest prisma role_groups role_list role_per_tenant seats sessions sharded shares starter
    supabase_per_user supabase_saas text_claims tree triggers two_step units user_int views
}

#[test]
fn every_schema_of_the_folder_is_run() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".sql").map(str::to_owned))
        .collect();
    files.sort();
    assert_eq!(files, NAMES);
}

async fn decided_as_its_head_says(name: &str) {
    let schema = Schema::named(name);
    let examined = schema.examined("").await;
    let found = found(&examined);
    assert_eq!(found.leaks, schema.list("leaks"), "{:#?}", examined.leaks());
    assert_eq!(found.undecided, schema.list("undecided"), "{:#?}", examined.undecided());
    let shared: BTreeSet<String> = examined
        .isolation
        .cells
        .iter()
        .filter(|cell| cell.cell.verdict == CellVerdict::Shared)
        .map(|cell| cell.cell.table.clone())
        .collect();
    assert_eq!(shared, schema.list("global"));
    // A role that is not probed is named, lest it be missed.
    let grounds = examined.isolation.grounds.as_ref().expect("a probe");
    let above: BTreeSet<String> = grounds.model.above.iter().filter_map(|who| who.strip_prefix("role ")).map(str::to_owned).collect();
    assert_eq!(above, schema.list("above"));
    // What the probe takes for everybody's, or leaves open, the catalog check does not call a leak.
    let always_true = examined.check("rls-no-tautology").rows.iter().filter(|row| row.ok == Some(false)).map(|row| row.subject.as_str());
    let contradicted: Vec<&str> = always_true.filter(|subject| !found.leaks.contains(*subject)).collect();
    assert_eq!(contradicted, Vec::<&str>::new(), "a policy that is always true, on a table that does not leak");
    // What is decided rests on something: an admitted control somewhere, beyond denials.
    assert!(examined.isolation.cells.iter().any(|cell| cell.cell.verdict == CellVerdict::Isolated));
}

/// Prints what comes out of every schema of `LEDGER_SCHEMAS` (a folder or a file).
#[tokio::test(flavor = "current_thread")]
#[ignore = "prints; for schemas of one's own: LEDGER_SCHEMAS=folder"]
async fn what_comes_out_of_a_folder_of_schemas() {
    let at = std::env::var_os("LEDGER_SCHEMAS").map_or_else(folder, PathBuf::from);
    let mut files: Vec<PathBuf> = match at.is_dir() {
        true => std::fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "sql"))
            .collect(),
        false => vec![at],
    };
    files.sort();
    let (mut decided, mut total) = (0, 0);
    for file in files {
        let schema = Schema::read(&file);
        let examined = schema.examined("").await;
        let found = found(&examined);
        decided += found.decided;
        total += found.total;
        println!(
            "== {}: {} of {} decided, {} leaking",
            file.file_name().unwrap().to_string_lossy(),
            found.decided,
            found.total,
            found.leaks.len()
        );
        for line in examined.isolation.lines.iter().take(40) {
            println!("   {line}");
        }
        if let Some(grounds) = &examined.isolation.grounds {
            println!("   model: {}", grounds.model.to_json(&grounds.shape));
        }
        for row in &examined.check("rls-second-membership").rows {
            println!("   two memberships: {} {:?}: {}", row.subject, row.ok, row.observed);
        }
        for leak in examined.leaks() {
            let expected = schema.list("leaks").iter().any(|table| leak.starts_with(&format!("{table} ")));
            println!("   {} {leak}", if expected { "leak" } else { "LEAK (not expected)" });
        }
        for table in schema.list("leaks").difference(&found.leaks) {
            println!("   MISSED {table}");
        }
        for open in examined.undecided() {
            println!("   ? {open}");
        }
        if std::env::var_os("LEDGER_CELLS").is_some() {
            for cell in &examined.isolation.cells {
                println!(
                    "   . {} {} ({}) {:?}: {}",
                    cell.cell.table, cell.cell.command, cell.cell.context, cell.cell.verdict, cell.cell.why
                );
            }
        }
    }
    println!("== {decided} of {total} decided");
}
