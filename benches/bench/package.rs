//! Verifying packages: against what an auditor without our program would run, `sha256sum -c` and tools/verify.py.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};
use migration_ledger::package::verify::Options;
use migration_ledger::package::{self, View, verify};
use migration_ledger::sign::{AllowedSigners, Namespace, Signer, SigningKey};
use serde_json::json;

use crate::{Failure, Measurement, median, on_disk};

const RUN: &str = "staging_migration_20260108";
const OPS: &str = "ops@example.com";
/// Evidence of a large package: files, and bytes of each.
const FILES: usize = 48;
const BYTES: usize = 8 << 20;
/// Entries of a long ledger.
const ENTRIES: u64 = 60_000;

/// A package with the auditor's own files beside it.
struct Packed {
    _folder: tempfile::TempDir,
    zip: PathBuf,
    signers: PathBuf,
    options: Options,
}

impl Packed {
    /// Packs a run whose ledger `fill` has filled.
    fn new(fill: &dyn Fn(&mut Store) -> Result<(), Failure>) -> Result<Self, Failure> {
        let folder = on_disk()?;
        let memory = Path::new("/dev/shm");
        // Where the ledger lies does not matter to its package; memory saves the time of many syncs.
        let aside = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
        let mut store = Store::create(&aside.path().join("ledger.db"), OPS)?;
        fill(&mut store)?;
        let key = SigningKey::from_seed([2; 32]);
        let line = Signer {
            principal: OPS.into(),
            namespaces: vec![Namespace::Package],
            valid_after: None,
            valid_before: None,
            key: key.public(),
        };
        let text = line.line() + "\n";
        let mut opened = Draft::new(EntryType::RunOpened, OPS);
        opened.run = Some(RUN.into());
        opened.target = json!({"database": "staging", "system_identifier": "7"}).as_object().cloned();
        opened.parts = vec![
            PartDraft::bytes("ledger.toml", "application/toml", "").at("trust/ledger.toml"),
            PartDraft::bytes("allowed_signers.txt", "text/plain", text.clone()).at("trust/allowed_signers.UNTRUSTED"),
        ];
        store.append(opened)?;
        let mut evidence = Draft::new(EntryType::Note, OPS);
        evidence.run = Some(RUN.into());
        evidence.parts.push(PartDraft::bytes("note.txt", "text/plain", "seen"));
        store.append(evidence)?;
        let n = store.len()?;
        let mut published = Draft::new(EntryType::Published, OPS);
        published.run = Some(RUN.into());
        for (name, value) in [("size", json!(n)), ("root", json!(store.root_at(n)?.to_hex())), ("verdict", json!("NO-GO"))] {
            published.body.insert(name.into(), value);
        }
        published.parts = vec![PartDraft::bytes("report.md", "text/markdown", "NO-GO").at("report/REPORT.md")];
        store.append(published)?;
        let written = package::write(&store, RUN, &View::full(), folder.path(), false)?;
        package::sign(&written, &key)?;
        let signers = folder.path().join("allowed_signers");
        std::fs::write(&signers, &text)?;
        let options = Options { signers: Some(AllowedSigners::parse(text.as_bytes())?), ..Options::default() };
        Ok(Self { zip: written.zip, _folder: folder, signers, options })
    }

    /// Seconds of `ledger verify`, in this process.
    fn ours(&self) -> Result<f64, Failure> {
        let clock = Instant::now();
        let found = verify(&self.zip, &self.options)?;
        let seconds = clock.elapsed().as_secs_f64();
        if found.verdict != "VERIFIED" { Err(format!("{}: {:?}", found.verdict, found.fault()).into()) } else { Ok(seconds) }
    }

    /// Seconds of `sha256sum --strict -c` over the archive, which reads it once.
    fn stock(&self) -> Result<f64, Failure> {
        let name = self.zip.file_name().ok_or("no name")?.to_string_lossy().into_owned() + ".sha256";
        let mut command = Command::new("sha256sum");
        command.args(["--strict", "--quiet", "-c", &name]).current_dir(self.zip.parent().ok_or("no folder")?);
        timed(&mut command)
    }

    /// Seconds of tools/verify.py.
    fn python(&self) -> Result<f64, Failure> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/verify.py");
        timed(Command::new("python3").arg("-I").arg(tool).arg(&self.zip).arg(&self.signers).stdout(Stdio::null()))
    }
}

fn timed(command: &mut Command) -> Result<f64, Failure> {
    let clock = Instant::now();
    let status = command.status()?;
    if status.success() { Ok(clock.elapsed().as_secs_f64()) } else { Err(format!("{command:?} ended with {status}").into()) }
}

/// Both in turns; how many times faster we are. The first turn warms the page cache.
fn ratio(
    turns: usize,
    ours: impl Fn() -> Result<f64, Failure>,
    theirs: impl Fn() -> Result<f64, Failure>,
) -> Result<(Vec<f64>, f64, f64), Failure> {
    let (mut ratios, mut mine, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=turns {
        let (a, b) = (theirs()?, ours()?);
        if turn > 0 {
            ratios.push(a / b);
            others.push(a);
            mine.push(b);
        }
    }
    Ok((ratios, median(&mine), median(&others)))
}

/// Large evidence: every byte is hashed three times (archive, list of files, commitment), against once by `sha256sum -c`.
pub fn hashing() -> Result<Measurement, Failure> {
    let packed = Packed::new(&|store| {
        let mut draft = Draft::new(EntryType::Note, OPS);
        for n in 0..FILES {
            // Bytes that no two files share; their content does not matter to hashing.
            let bytes: Vec<u8> = (0..BYTES).map(|i| ((i * (n + 1)) >> 3) as u8).collect();
            draft.parts.push(PartDraft::bytes(format!("evidence-{n}.bin"), "application/octet-stream", bytes));
        }
        store.append(draft)?;
        Ok(())
    })?;
    let (turns, ours, theirs) = ratio(5, || packed.ours(), || packed.stock())?;
    let python = packed.python()?;
    let size = (FILES * BYTES) as f64 / 1e6;
    let note = format!(
        "{FILES} files, {size:.0} MB: ledger verify {ours:.2} s ({:.0} MB/s of evidence, each byte hashed three times), sha256sum -c {theirs:.2} s, verify.py {python:.2} s",
        size / ours
    );
    Ok(Measurement { turns, note })
}

/// The entries of a long ledger, a third of them results that name three parts; those of earlier runs are packed without payloads.
fn long() -> Result<Packed, Failure> {
    Packed::new(&|store| {
        let mut seq = 1;
        while seq < ENTRIES {
            let mut draft = Draft::new(EntryType::TaskStarted, OPS);
            draft.run = Some("staging_migration_20251201".into());
            if seq == 1 {
                draft.kind = EntryType::RunOpened;
                draft.target = json!({"database": "staging"}).as_object().cloned();
            } else if seq % 3 == 0 {
                draft.kind = EntryType::TaskResult;
                (draft.task, draft.attempt) = (Some("CE-23".into()), Some(u32::try_from(seq / 3)?));
                draft.refs = vec![seq - 1];
                draft.body.insert("outcome".into(), "pass".into());
                for name in ["result.json", "check-rls-enabled.json", "ce-23_row-security.log"] {
                    draft.parts.push(PartDraft::bytes(name, "application/json", "{}"));
                }
            } else if seq % 3 == 2 {
                (draft.task, draft.attempt) = (Some("CE-23".into()), Some(u32::try_from(seq / 3 + 1)?));
            } else {
                draft.kind = EntryType::Note;
                draft.body.insert("text".into(), "seen by the operator of the day".into());
            }
            store.append(draft)?;
            seq += 1;
        }
        Ok(())
    })
}

/// Entries per second of `ledger verify` as a whole: archive, list of files, entries, head, parts, signatures, decision.
pub fn entries() -> Result<Measurement, Failure> {
    let packed = long()?;
    let mut turns = Vec::new();
    for turn in 0..=7 {
        let seconds = packed.ours()?;
        if turn > 0 {
            turns.push(ENTRIES as f64 / seconds);
        }
    }
    let size = std::fs::metadata(&packed.zip)?.len() as f64 / 1e6;
    Ok(Measurement { turns, note: format!("7 turns: a package of {ENTRIES} entries, {size:.1} MB, all stages; wall time") })
}

/// The same package by tools/verify.py.
pub fn python() -> Result<Measurement, Failure> {
    let packed = long()?;
    let (turns, ours, theirs) = ratio(3, || packed.ours(), || packed.python())?;
    Ok(Measurement { turns, note: format!("{ENTRIES} entries: ledger verify {ours:.2} s, verify.py {theirs:.2} s, its start included") })
}
