//! A day of migrating: a project, a target at 001, its backup; steps run on it as the engine runs them.

use std::path::PathBuf;

use migration_ledger::config::{Backup, Config};
use migration_ledger::domain::product::EnvironmentProduct;
use migration_ledger::domain::{CheckOutcome, Evidence, Product, RunId, TaskId};
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{ScratchPool, Session, Target};
use migration_ledger::steps::rollback::Fresh;
use migration_ledger::steps::{self, Context, Progress, Project, StepError, StepReport, TaskLog};

use crate::support::TestDb;

/// The small application's 001: two tables of a tenant's, one with row security from the first day.
pub const BASE: &str = "
    create table public.docs (id uuid primary key, tenant uuid not null, title text);
    alter table public.docs enable row level security;
    alter table public.docs force row level security;
    create policy own on public.docs using (tenant = nullif(current_setting('app.tenant_id', true), '')::uuid);
    create table public.notes (id bigint generated always as identity primary key, doc uuid not null, body text);
    grant select on public.docs to app_user;";

pub const ROWS: &str = "
    insert into public.docs select md5(i::text)::uuid, md5('t')::uuid, 'title ' || i from generate_series(1, 50) i;
    insert into public.notes (doc, body) select md5(i::text)::uuid, 'body' from generate_series(1, 50) i;";

/// 002 to 004 in order, with their downs and verifies.
pub const FILES: [(&str, &str); 9] = [
    (
        "002_pages.sql",
        "create table public.pages (id uuid primary key, doc uuid not null);\nalter table public.docs add column pages integer;\n",
    ),
    ("002_pages.down.sql", "alter table public.docs drop column pages;\ndrop table public.pages;\n"),
    ("002_pages.verify.sql", "select to_regclass('public.pages') is not null;\n"),
    ("003_keys.sql", "alter table public.pages add constraint pages_doc foreign key (doc) references public.docs (id);\n"),
    ("003_keys.down.sql", "alter table public.pages drop constraint pages_doc;\n"),
    ("003_keys.verify.sql", "select count(*) = 1 from pg_constraint where conname = 'pages_doc';\n"),
    (
        "004_index.sql",
        "create index docs_tenant on public.docs (tenant);\ninsert into public.notes (doc, body) select id, 'migrated' from public.docs;\n",
    ),
    ("004_index.down.sql", "delete from public.notes where body = 'migrated';\ndrop index public.docs_tenant;\n"),
    ("004_index.verify.sql", "select to_regclass('public.docs_tenant') is not null;\n"),
];

/// The programs of the major under test.
fn backup_config() -> Backup {
    let pg_dump = std::env::var_os("LEDGER_TEST_PG_BIN").filter(|bin| !bin.is_empty()).map(|bin| PathBuf::from(bin).join("pg_dump"));
    Backup { pg_dump, ..Backup::default() }
}

/// The pair that fits the server.
pub fn tools(target: &Target) -> Tools {
    Tools::find(target.major(), &backup_config()).unwrap()
}

struct Silent;

impl Progress for Silent {
    fn say(&self, _message: &str) {}
}

pub struct Day {
    pub db: TestDb,
    pub target: Target,
    pub products: Vec<(TaskId, Product)>,
    pub run: RunId,
    folder: tempfile::TempDir,
    scratch: ScratchPool,
    more: String,
    pub fresh: Fresh,
}

pub struct Given {
    pub result: Result<(), StepError>,
    pub report: StepReport,
    pub log: String,
}

impl Day {
    /// The small application at 001 by baseline, 002 to 004 pending, backed up.
    pub async fn new() -> Self {
        Self::begun(TestDb::with_as_migrator(&format!("{BASE}{ROWS}")).await).await
    }

    /// The same on a server of its own, which may be restarted and stopped.
    pub async fn apart() -> Self {
        let db = TestDb::apart().await;
        db.session("migrator").await.batch(&format!("{BASE}{ROWS}")).await.unwrap();
        Self::begun(db).await
    }

    async fn begun(db: TestDb) -> Self {
        let more = "[migrations]\nbaseline = \"001\"\nlock-timeout-ms = 500\nretries = 2\n[rollback]\ntarget-version = \"002\"\n";
        let mut day = Self::on(db, more).await;
        day.file("001_base.sql", BASE);
        day.file("001_base.down.sql", "drop table public.notes; drop table public.docs;");
        for (file, text) in FILES {
            day.file(file, text);
        }
        day.back_up().await;
        day
    }

    /// A target with this SQL run in it by `migrator`; no files, no backup yet.
    pub async fn of(sql: &str, more: &str) -> Self {
        Self::on(TestDb::with_as_migrator(sql).await, more).await
    }

    async fn on(db: TestDb, more: &str) -> Self {
        let target = db.target("migrator").await;
        let tools = tools(&target);
        let scratch = ScratchPool::new(target.clone(), Some(tools));
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("migrations")).unwrap();
        let run = RunId::new("staging_migration_20260108");
        Self { db, target, products: Vec::new(), run, folder, scratch, more: more.to_owned(), fresh: Fresh::Restored }
    }

    /// The migrations folder.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("migrations")
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.dir().join(name)).unwrap();
    }

    pub fn config(&mut self, more: &str) {
        self.more = more.to_owned();
    }

    pub async fn hands(&self) -> Session {
        self.db.session("migrator").await
    }

    /// What the environment task would hand over.
    pub async fn back_up(&mut self) {
        let config = self.parsed("scripts");
        let tools = tools(&self.target);
        let shown = format!("backups/{}.dump", self.products.len());
        let file = self.folder.path().join(&shown);
        let backup = tools.dump(&self.target, &file, &shown, &config.backup).await.unwrap();
        let product = EnvironmentProduct {
            server_version: String::new(),
            server_version_num: self.target.identity().server_version_num,
            database: self.db.name.clone(),
            role: "migrator".into(),
            tls: String::new(),
            schema_version: Some("001".into()),
            database_bytes: 0,
            tables: 0,
            policies: 0,
            foreign_keys: 0,
            indexes: 0,
            backup: Some(backup),
        };
        self.products.push((TaskId::new("CE-20"), Product::Environment(product)));
    }

    fn parsed(&self, uses: &str) -> Config {
        let plan = format!(
            "[plan]\nid = \"P\"\ntitle = \"Test\"\n[[plan.task]]\nid = \"T\"\nname = \"Test\"\nuses = \"{uses}\"\nestimate-minutes = 1\n"
        );
        let mut config = Config::parse(format!("{plan}{}", self.more).as_bytes(), &PathBuf::from("ledger.toml")).unwrap();
        if config.backup.pg_dump.is_none() {
            config.backup = backup_config();
        }
        config
    }

    /// Runs a step and keeps its product.
    pub async fn step(&mut self, uses: &str) -> Given {
        self.at(uses, None).await
    }

    /// Takes the emergency path.
    pub async fn roll_back(&mut self, version: &str) -> Given {
        self.at("rollback", Some(version)).await
    }

    async fn at(&mut self, uses: &str, version: Option<&str>) -> Given {
        let config = self.parsed(uses);
        let log = TaskLog::default();
        let project = Project { root: self.folder.path().to_owned() };
        let mut report = StepReport::default();
        let result = {
            let cx = Context {
                config: &config,
                task: &config.plan.tasks[0],
                run: &self.run,
                project: &project,
                target: &self.target,
                scratch: &self.scratch,
                products: &self.products,
                results: &[],
                parts: &[],
                rendered: None,
                noted_suites: &[],
                log: &log,
                progress: &Silent,
            };
            match version {
                None => steps::run(&cx, &mut report).await,
                Some(version) => steps::rollback::roll_back(&cx, version, self.fresh, &mut report).await,
            }
        };
        if let Some(product) = &report.product {
            self.products.push((TaskId::new(uses), product.clone()));
        }
        Given { result, report, log: log.text() }
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.db.admin().await.one(sql, &[]).await.unwrap().get(0)
    }

    /// Scratch databases that are left.
    pub async fn close(self) {
        self.scratch.close().await.unwrap();
    }
}

impl Given {
    pub fn check(&self, code: &str) -> &Evidence {
        let error = self.result.as_ref().err();
        self.report.evidence.iter().find(|e| e.check.as_str() == code).unwrap_or_else(|| panic!("no {code}; the step gave {error:?}"))
    }

    /// The subjects a check found wrong.
    pub fn found(&self, code: &str) -> Vec<String> {
        self.check(code).findings().map(|finding| finding.subject).collect()
    }

    /// What was observed of the first wrong subject.
    pub fn observed(&self, code: &str) -> String {
        self.check(code).findings().next().map(|finding| finding.observed).unwrap_or_default()
    }

    pub fn word(&self, code: &str) -> &'static str {
        self.check(code).outcome.word()
    }

    /// Checks that are neither passed nor inapplicable, advisories apart.
    pub fn complaints(&self) -> Vec<String> {
        let complains = |e: &&Evidence| {
            !matches!(e.outcome, CheckOutcome::Pass | CheckOutcome::NotApplicable(_))
                && e.severity >= migration_ledger::domain::Severity::High
        };
        let mut complaints: Vec<String> =
            self.report.evidence.iter().filter(complains).map(|e| format!("{}: {} {:#?}", e.check, e.outcome, e.rows)).collect();
        complaints.extend(self.result.as_ref().err().map(ToString::to_string));
        complaints
    }

    pub fn file(&self, name: &str) -> String {
        let found = self.report.attachments.iter().find(|a| a.name == name).unwrap_or_else(|| panic!("no {name}"));
        String::from_utf8(found.bytes.clone()).unwrap()
    }
}
