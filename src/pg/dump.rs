//! Backups by the server's own tools: found, run, listed, restored.
//!
//! A dump is made from an exported snapshot that our own session holds, and in that same snapshot the catalog and every table are
//! fingerprinted: what the restored copy must equal is known to the row.
//!
//! Two digests: the file's SHA-256, which names these very bytes; and the digest of the contents ([`Source::digest`]), which is the same for
//! every dump of an equal database. The custom format carries no `\restrict` token, so no `--restrict-key` is needed; its header carries the
//! time, so the bytes of two dumps of one state differ.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures_util::future::{Either, select, try_join};
use sha2::{Digest, Sha256};

use super::Catalog;
use super::data::{self, Position};
use super::frame::Others;
use super::programs::{self, Program};
use super::tool::Tool;
use super::unfinished::Unfinished;
use super::{Access, PgError, PgErrorKind, Target};
use crate::config;
use crate::domain::product::{BackupFacts, TableState};

/// A `pg_dump`/`pg_restore` pair that fits the server.
#[derive(Clone, Debug)]
pub struct Tools {
    pub pg_dump: PathBuf,
    pub pg_restore: PathBuf,
    pub major: i32,
    /// `pg_dump (PostgreSQL) 15.18 …`
    pub version: String,
    /// pg_restore's own major.
    pub restore_major: i32,
    server_major: i32,
    jobs: u32,
}

/// The one statement of a newer pg_restore that older servers refuse: 17 added the setting.
const REFUSED_SET: &str = "SET transaction_timeout = 0;";

impl Tools {
    /// Finds the pair of the server's major (configured, PATH, the usual versioned folders), a newer one only if there is none.
    /// An older client is an error that names both versions.
    pub fn find(server_major: i32, config: &config::Backup) -> Result<Self, PgError> {
        let dump = match &config.pg_dump {
            Some(path) => asked(path)?,
            None => best("pg_dump", server_major, server_major)?,
        };
        if dump.major < server_major {
            return Err(PgError::other(format!(
                "{} is version {}, older than the server's {server_major}",
                dump.path.display(),
                dump.major
            )));
        }
        let restore = match &config.pg_restore {
            Some(path) => asked(path)?,
            // The pair: the one beside pg_dump, else one of the same major.
            None => dump
                .path
                .parent()
                .and_then(|folder| programs::program(folder, "pg_restore"))
                .filter(|beside| beside.major == dump.major)
                .map_or_else(|| best("pg_restore", dump.major, dump.major), Ok)?,
        };
        if restore.major < dump.major {
            return Err(no_tool(format!("pg_restore {} cannot read an archive of pg_dump {}", restore.major, dump.major)));
        }
        let (pg_dump, pg_restore, major, version) = (dump.path, restore.path, dump.major, dump.version);
        let restore_major = restore.major;
        Ok(Self { pg_dump, pg_restore, major, version, restore_major, server_major, jobs: config.jobs.max(1) })
    }

    /// [`Tools::dump_whole`], for callers who need the facts alone.
    pub async fn dump(&self, target: &Target, file: &Path, shown: &str, config: &config::Backup) -> Result<BackupFacts, PgError> {
        Ok(self.dump_whole(target, file, shown, config, &|_| {}).await?.0)
    }

    /// [`Tools::dump_whole`], for callers who need the facts and the catalog.
    pub async fn dump_with_catalog(
        &self,
        target: &Target,
        file: &Path,
        shown: &str,
        config: &config::Backup,
    ) -> Result<(BackupFacts, Catalog), PgError> {
        let (facts, source) = self.dump_whole(target, file, shown, config, &|_| {}).await?;
        Ok((facts, source.catalog))
    }

    /// Dumps the target into `file` (custom format, 0600; or a folder, 0700, written by several sessions at once; its own folder 0700) from an
    /// exported snapshot in which catalog and data are fingerprinted. `restore_us` is left `None`. `shown` is the path to record. An existing file is not overwritten.
    /// With the facts comes the source in that snapshot, as far as dumps carry it. `told` hears twice a second how far it is.
    pub async fn dump_whole(
        &self,
        target: &Target,
        file: &Path,
        shown: &str,
        config: &config::Backup,
        told: &dyn Fn(&str),
    ) -> Result<(BackupFacts, Source), PgError> {
        // A half-written dump must not be taken for a backup, nor one that restores nowhere because its frame could not be made.
        let folder = config.format == config::BackupFormat::Directory;
        let unfinished = Unfinished::begin(file, folder)?;
        let (mut facts, source, frame) = self.dump_into(target, file, unfinished.path(), config, told).await?;
        // A folder is told as one: what is done by hand with it differs.
        facts.file = if folder { format!("{shown}/") } else { shown.to_owned() };
        let framed = frame.is_some();
        // The frame first: what bears the backup's name has its frame.
        frame.map_or(Ok(()), Unfinished::publish)?;
        if let Err(error) = unfinished.publish() {
            if framed {
                let _ = std::fs::remove_file(super::frame::beside(file));
            }
            return Err(error);
        }
        Ok((facts, source))
    }

    /// `whole` is what the backup will be called, `file` where it is written.
    async fn dump_into(
        &self,
        target: &Target,
        whole: &Path,
        file: &Path,
        config: &config::Backup,
        told: &dyn Fn(&str),
    ) -> Result<(BackupFacts, Source, Option<Unfinished>), PgError> {
        let session = target.session_with(Access::ReadOnly, 0, 30_000).await?;
        // Sequences know no snapshot: a dump holds what they were at some moment between these two readings.
        let before = data::positions(&session, &config.exclude_schemas).await?;
        let snapshot = data::export_snapshot(&session).await?;
        let tables_done = std::cell::Cell::new((0, 0));
        let counted = |done, all| tables_done.set((done, all));
        let tables = data::table_states_of(target, &config.exclude_schemas, workers(config), Some(&snapshot), &counted);
        let seen = async {
            let catalog = Catalog::read(&session, &config.exclude_schemas).await?.as_dumped();
            let large_objects = data::large_objects(&session).await?;
            Ok((catalog, large_objects, tables.await?))
        };
        let work = std::pin::pin!(try_join(self.run_dump(target, file, &snapshot, config), seen));
        let made = with_news(work, || {
            let written = super::unfinished::files(file).unwrap_or_default();
            let bytes: u64 = written.iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
            let (done, all) = tables_done.get();
            told(&format!("backup · {:.1} MB written, {done} of {all} tables fingerprinted", bytes as f64 / 1e6));
        });
        let (dump_us, (catalog, large_objects, tables)) = made.await?;
        let after = data::positions(&session, &config.exclude_schemas).await?;
        let toc_entries = self.contents(file).await?.lines().filter(|line| is_entry(line)).count() as u64;
        let (sha256, bytes) = digest(file).await?;
        let frame = self.dump_frame(target, &session, whole, &snapshot, &config.exclude_schemas).await?;
        let source = Source { catalog, large_objects, positions: (before, after) };
        let facts = BackupFacts {
            file: String::new(),
            sha256,
            contents_sha256: source.digest(&tables),
            bytes,
            toc_entries,
            tool: self.version.clone(),
            dump_us,
            restore_us: None,
            catalog: source.catalog.fingerprint(),
            tables,
        };
        Ok((facts, source, frame))
    }

    async fn run_dump(&self, target: &Target, file: &Path, snapshot: &str, config: &config::Backup) -> Result<i64, PgError> {
        let mut argument = std::ffi::OsString::from("--file=");
        argument.push(file);
        let mut tool = Tool::new(&self.pg_dump)
            .connect(target.spec(), target.application_name())
            .arg("--no-password")
            .arg("--lock-wait-timeout=30000")
            .arg(format!("--snapshot={snapshot}"))
            .arg(argument);
        tool = match config.format {
            config::BackupFormat::Custom => tool.arg("--format=custom"),
            config::BackupFormat::Directory => tool.arg("--format=directory").arg(format!("--jobs={}", self.jobs)),
        };
        for schema in &config.exclude_schemas {
            // Quoted, a pattern is a name (psql manual, "Patterns").
            tool = tool.arg(format!("--exclude-schema=\"{}\"", schema.replace('"', "\"\"")));
        }
        let clock = Instant::now();
        tool.run().await?.checked()?;
        Ok(elapsed_us(clock))
    }

    /// The archive's table of contents, as `pg_restore --list` prints it. An empty database's has no entries.
    pub async fn contents(&self, file: &Path) -> Result<String, PgError> {
        let listed = Tool::new(&self.pg_restore).arg("--list").arg(file).run().await?.checked()?;
        Ok(String::from_utf8_lossy(&listed.stdout).into_owned())
    }

    /// Restores the dump into an existing empty database; owners and grants are kept. Any error ends it. Returns what had to be left out:
    /// statements of a newer pg_restore that the server does not know.
    ///
    /// Comments on extensions are left out always: they are the extension's own, and only its owner may set them. So are subscriptions: a
    /// copy must not hold on to another server's slot, and a database with one cannot be dropped. What only a role may make that the
    /// session may not act as is left out as [`Catalog::read`] leaves it out.
    pub async fn restore(&self, into: &Target, file: &Path) -> Result<Vec<String>, PgError> {
        self.restore_frame(into, file).await?;
        let contents = self.contents(file).await?;
        let mut list = tempfile::NamedTempFile::new().map_err(|error| PgError::other(format!("cannot make a temporary file: {error}")))?;
        let left_out = [" COMMENT - EXTENSION ", " SUBSCRIPTION - ", " COMMENT - SUBSCRIPTION ", " SUBSCRIPTION TABLE "];
        let others = Others::of(into).await?;
        let kept: Vec<&str> =
            contents.lines().filter(|line| !left_out.iter().any(|entry| line.contains(entry)) && !others.alone_may_make(line)).collect();
        list.write_all((kept.join("\n") + "\n").as_bytes())
            .map_err(|error| PgError::other(format!("cannot write a temporary file: {error}")))?;

        let newer = self.restore_major >= 17 && self.server_major < 17;
        let mut tool = Tool::new(&self.pg_restore)
            .connect(into.spec(), into.application_name())
            .arg("--no-password")
            .arg(format!("--jobs={}", self.jobs))
            .arg(into_database(into))
            .arg({
                let mut argument = std::ffi::OsString::from("--use-list=");
                argument.push(list.path());
                argument
            });
        if !newer {
            tool = tool.arg("--exit-on-error");
        }
        let ended = tool.arg(file).run().await?;
        let errors = ended.stderr.matches("pg_restore: error:").count();
        let refused = ended.stderr.matches(&format!("Command was: {REFUSED_SET}")).count();
        let left_out = match ended.status.success() && errors == 0 {
            true => Vec::new(),
            false if newer && refused > 0 && errors == refused => vec![REFUSED_SET.to_owned()],
            false => return Err(ended.error()),
        };
        self.restore_frame_again(into, file).await?;
        Ok(left_out)
    }
}

/// The argument that names the database to restore into.
pub(super) fn into_database(into: &Target) -> String {
    format!("--dbname=dbname='{}'", into.spec().database().replace('\\', "\\\\").replace('\'', "\\'"))
}

fn no_tool(message: String) -> PgError {
    PgError::of_kind(PgErrorKind::NoTool, message)
}

fn asked(path: &Path) -> Result<Program, PgError> {
    programs::version_of(path).map_err(|error| no_tool(format!("cannot use {}: {error}", path.display())))
}

/// The program of this major; else the oldest newer one; else an error that names what there is. With `LEDGER_PG_BIN` that folder is
/// asked first, as everywhere.
fn best(name: &str, wanted: i32, server_major: i32) -> Result<Program, PgError> {
    let found: Vec<Program> = programs::folders().iter().filter_map(|folder| programs::program(folder, name)).collect();
    if let Some(equal) = found.iter().find(|program| program.major == wanted) {
        return Ok(equal.clone());
    }
    if let Some(newer) = found.iter().filter(|program| program.major > wanted).min_by_key(|program| program.major) {
        return Ok(newer.clone());
    }
    Err(no_tool(match found.iter().max_by_key(|program| program.major) {
        Some(older) => {
            format!("the newest {name} here is version {} ({}), older than the server's {server_major}", older.major, older.path.display())
        }
        None => format!("no {name} found in PATH or the usual folders; the server's version is {server_major}"),
    }))
}

/// What a dump was made of, beside its tables.
#[derive(Clone, Debug)]
pub struct Source {
    /// In the dump's snapshot, as far as dumps carry it.
    pub catalog: Catalog,
    pub large_objects: Option<TableState>,
    /// Where the sequences stood before and after the dump.
    pub positions: (Vec<Position>, Vec<Position>),
}

impl Source {
    /// SHA-256 (hex) over the catalog's fingerprint and the state of every table and of the large objects: equal for equal databases, whatever
    /// their dumps' bytes.
    pub fn digest(&self, tables: &[TableState]) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.catalog.fingerprint());
        for state in tables.iter().chain(&self.large_objects) {
            hasher.update(format!("\n{}\n{} {}", state.table, state.rows, state.digest));
        }
        hex::encode(hasher.finalize())
    }
}

/// Sessions that fingerprint tables at once: as many as restore, two at least.
pub fn workers(config: &config::Backup) -> usize {
    usize::try_from(config.jobs).unwrap_or(2).clamp(2, 8)
}

/// Drives the work to its end and calls `news` twice a second meanwhile.
async fn with_news<T>(mut work: impl Future<Output = T> + Unpin, news: impl Fn()) -> T {
    loop {
        let tick = std::pin::pin!(tokio::time::sleep(std::time::Duration::from_millis(500)));
        match select(work, tick).await {
            Either::Left((done, _)) => return done,
            Either::Right(((), going_on)) => work = going_on,
        }
        news();
    }
}

fn is_entry(line: &str) -> bool {
    !line.starts_with(';') && !line.trim().is_empty()
}

pub(super) fn elapsed_us(clock: Instant) -> i64 {
    i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// SHA-256 (hex) and size of a backup, off the runtime's thread. Of a folder: of what `sha256sum` says of its files in the order of their names
/// (`cd FOLDER && LC_ALL=C sha256sum -- * | sha256sum`).
async fn digest(backup: &Path) -> Result<(String, u64), PgError> {
    let path = backup.to_owned();
    let one = |file: &Path| -> std::io::Result<(String, u64)> {
        let mut file = std::fs::File::open(file)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0u8; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => hasher.update(&buffer[..n]),
            }
        }
        Ok((hex::encode(hasher.finalize()), file.seek(SeekFrom::End(0))?))
    };
    let read = move || -> std::io::Result<(String, u64)> {
        if !path.is_dir() {
            return one(&path);
        }
        let (mut sums, mut bytes) = (Sha256::new(), 0);
        for file in super::unfinished::files(&path)? {
            let (sha256, size) = one(&file)?;
            sums.update(format!("{sha256}  {}\n", file.file_name().unwrap_or_default().to_string_lossy()));
            bytes += size;
        }
        Ok((hex::encode(sums.finalize()), bytes))
    };
    let done = tokio::task::spawn_blocking(read).await.map_err(|error| PgError::other(error.to_string()))?;
    done.map_err(|error| PgError::other(format!("cannot read {}: {error}", backup.display())))
}
