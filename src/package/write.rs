//! Packing. The bytes are a function of entries, surviving parts, signature and anchor rows of size ≤ T, the view and this program's version.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::contents::{self, Outline, View, place};
use super::manifest::{Manifest, sums};
use super::zip::ZipWriter;
use super::{Problem, manifest};
use crate::chain::header::RawHeader;
use crate::chain::verify::Stored;
use crate::chain::{EntryType, Hash, PartRef, Store};
use crate::sign::{Namespace, Signs, sshsig};

/// A package on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub zip: PathBuf,
    /// `<zip>.sha256`.
    pub sha256_file: PathBuf,
    pub sha256: Hash,
    pub manifest: Manifest,
    /// Files in the archive.
    pub files: u64,
    /// Whether a package with these very bytes lay there already.
    pub unchanged: bool,
}

/// Where a file's bytes come from.
enum Content {
    Bytes(Vec<u8>),
    Part(u64, String),
    Entries,
}

struct Planned {
    content: Content,
    size: u64,
    crc: u32,
    sha256: Hash,
}

/// Packs a run into `<folder>/<run>.zip` and its `.sha256`. The run must be published over its N: the report files are that entry's parts.
///
/// A package with the same bytes is left as it is ([`Written::unchanged`]); another file of the name is replaced only with `force`.
pub fn write(store: &Store, run: &str, view: &View, folder: &Path, force: bool) -> Result<Written, Problem> {
    let entries = outlines(store)?;
    let (n, t) = (contents::cut(&entries, run), contents::end(&entries, run));
    if n == 0 {
        return Err(Problem::NotReady(format!("the ledger has no run {run}")));
    }
    published_over(store, &entries, run, n)?;
    let (entries, later) = entries.split_at(usize::try_from(t).unwrap_or(usize::MAX).min(entries.len()));
    // Erased by an entry that this package does not hold: all it can say is that the payload is not in this view.
    let erased_later: BTreeSet<&(u64, String)> = later.iter().filter_map(|e| e.redacts.as_ref()).collect();
    let manifest =
        Manifest { ledger_id: store.ledger_id(), run: run.to_owned(), cut: (n, store.root_at(n)?), size: t, root: store.root_at(t)? };
    let mut files = plan(store, entries, &manifest, view, &erased_later)?;
    let listed = sums(files.iter().map(|(name, file)| (name.as_str(), file.sha256)));
    files.insert("SHA256SUMS".into(), measured(store, Content::Bytes(listed.into_bytes()), t)?);

    std::fs::create_dir_all(folder).map_err(|e| Problem::io(folder, &e))?;
    let zip = folder.join(format!("{run}.zip"));
    let beside = tempfile::Builder::new().prefix(".package-").tempfile_in(folder).map_err(|e| Problem::io(folder, &e))?;
    let io = |e: io::Error| Problem::io(&zip, &e);
    let mut writer = ZipWriter::new(Hashed { to: BufWriter::with_capacity(1 << 20, beside.as_file()), hasher: Sha256::new() });
    for (name, file) in &files {
        writer.file(name, file.size, file.crc, &mut |to| copy(store, &file.content, t, to).map_err(io::Error::other)).map_err(io)?;
    }
    let Hashed { to, hasher } = writer.finish().map_err(io)?;
    to.into_inner().map_err(|e| io(e.into_error()))?.sync_all().map_err(io)?;
    let sha256 = Hash(hasher.finalize().into());

    let unchanged = match zip.exists() {
        true => digest_of(&zip)? == sha256,
        false => false,
    };
    if !unchanged {
        if zip.exists() && !force {
            return Err(Problem::NotReady(format!("{} exists with other bytes; it is replaced only with --force", zip.display())));
        }
        set_mode(beside.path()).map_err(io)?;
        beside.persist(&zip).map_err(|e| io(e.error))?;
    }
    let sha256_file = folder.join(format!("{run}.zip.sha256"));
    replace(&sha256_file, format!("{sha256}  {run}.zip\n").as_bytes())?;
    Ok(Written { zip, sha256_file, sha256, manifest, files: files.len() as u64, unchanged })
}

/// Signs a package: `<zip>.sig` over its `.sha256` file, under `package@ledger`.
pub fn sign(written: &Written, key: &dyn Signs) -> Result<PathBuf, Problem> {
    let message = std::fs::read(&written.sha256_file).map_err(|e| Problem::io(&written.sha256_file, &e))?;
    let path = PathBuf::from(format!("{}.sig", written.zip.display()));
    replace(&path, sshsig::sign_with(key, Namespace::Package, &message)?.as_bytes())?;
    Ok(path)
}

/// The signature that lies beside a package, if it is over these bytes. One over other bytes is removed: beside this package it is
/// neither a signature nor history, and a verifier would take it for a forgery.
pub fn kept_signature(written: &Written) -> Result<Option<PathBuf>, Problem> {
    let path = PathBuf::from(format!("{}.sig", written.zip.display()));
    let io = |e: io::Error| Problem::io(&path, &e);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let message = std::fs::read(&written.sha256_file).map_err(|e| Problem::io(&written.sha256_file, &e))?;
    if sshsig::verify(&bytes, Namespace::Package, &message).is_ok() {
        return Ok(Some(path));
    }
    std::fs::remove_file(&path).map_err(io)?;
    Ok(None)
}

/// Every entry's outline; an entry that does not hold is a fault.
fn outlines(store: &Store) -> Result<Vec<Outline>, Problem> {
    let mut found = Vec::new();
    let mut walk = crate::chain::verify::Walk::new();
    store.walk(|stored| {
        let raw = walk.next(stored)?;
        found.push(outline(stored.seq, &raw, true));
        Ok(())
    })?;
    Ok(found)
}

/// The outline of an entry, its parts only where they are wanted.
pub(super) fn outline(seq: u64, raw: &RawHeader<'_>, parts: bool) -> Outline {
    let redacts = (raw.kind == EntryType::PartRedacted).then(|| raw.body_natural("seq").zip(raw.body_text("part"))).flatten();
    Outline {
        seq,
        kind: raw.kind,
        run: raw.run.map(str::to_owned),
        parts: if parts { raw.parts.iter().map(PartRef::to_owned).collect() } else { Vec::new() },
        redacts,
    }
}

fn published_over(store: &Store, entries: &[Outline], run: &str, n: u64) -> Result<(), Problem> {
    let newest = entries.iter().rev().find(|e| e.kind == EntryType::Published && e.run.as_deref() == Some(run));
    let size = match newest {
        None => None,
        Some(entry) => store.entry(entry.seq)?.header.body.get("size").and_then(serde_json::Value::as_u64),
    };
    if size == Some(n) { Ok(()) } else { Err(Problem::NotReady(format!("run {run} is not published over its {n} entries"))) }
}

fn plan(
    store: &Store,
    entries: &[Outline],
    manifest: &Manifest,
    view: &View,
    erased_later: &BTreeSet<&(u64, String)>,
) -> Result<BTreeMap<String, Planned>, Problem> {
    let t = manifest.size;
    let mut files = BTreeMap::new();
    let mut put = |name: String, content: Content| -> Result<(), Problem> {
        files.insert(name, measured(store, content, t)?);
        Ok(())
    };
    let (mut salts, mut withheld) = (String::new(), String::new());
    for placed in place(entries, &manifest.run) {
        let name = &placed.part.name;
        let key = (placed.seq, name.clone());
        let Some(salt) = store.part_salt(placed.seq, name)? else {
            if placed.may_be_withheld() && erased_later.contains(&key) {
                withheld.push_str(&format!("{} {name}\n", placed.seq));
            }
            continue;
        };
        if placed.may_be_withheld() && view.withhold.contains(&key) {
            withheld.push_str(&format!("{} {name}\n", placed.seq));
            continue;
        }
        salts.push_str(&format!("{} {name} {}\n", placed.seq, hex::encode(salt)));
        put(placed.path.clone(), Content::Part(placed.seq, name.clone()))?;
    }
    let mut checkpoints = BTreeSet::from([manifest.cut.0, t]);
    for row in store.signatures(t)? {
        if let crate::chain::Signed::Checkpoint(size) = row.over {
            checkpoints.insert(size);
        }
        put(row.over.package_path(&row.key), Content::Bytes(row.bytes))?;
    }
    for row in store.anchors(t)? {
        checkpoints.insert(row.size);
        put(format!("ledger/anchors/{}-{}", row.size, row.name), Content::Bytes(row.bytes))?;
    }
    for size in checkpoints {
        put(format!("ledger/checkpoints/{size}"), Content::Bytes(store.checkpoint_text(size)?.into_bytes()))?;
    }
    put("ledger/entries.jsonl".into(), Content::Entries)?;
    put("ledger/salts".into(), Content::Bytes(salts.into_bytes()))?;
    put("ledger/withheld".into(), Content::Bytes(withheld.into_bytes()))?;
    put("manifest.json".into(), Content::Bytes(manifest.to_bytes()))?;
    put("VERIFY.md".into(), Content::Bytes(how_to_verify(&manifest.run).into_bytes()))?;
    put("tools/verify.py".into(), Content::Bytes(VERIFIER.into()))?;
    Ok(files)
}

/// The second verifier, for reading and comparing; an auditor runs the copy of a release. Nothing of it is believed: any bytes may lie there.
pub const VERIFIER: &str = include_str!("../../tools/verify.py");

/// `VERIFY.md`: the commands, with the package's own name in them.
pub fn how_to_verify(run: &str) -> String {
    include_str!("../../templates/VERIFY.md").replace("PACKAGE", run)
}

fn measured(store: &Store, content: Content, t: u64) -> Result<Planned, Problem> {
    let mut measure = Measure { sha256: Sha256::new(), crc: crc32fast::Hasher::new(), size: 0 };
    copy(store, &content, t, &mut measure)?;
    Ok(Planned { content, size: measure.size, crc: measure.crc.finalize(), sha256: Hash(measure.sha256.finalize().into()) })
}

fn copy(store: &Store, content: &Content, t: u64, to: &mut dyn Write) -> Result<(), Problem> {
    let io = |e: io::Error| Problem::Io(e.to_string());
    match content {
        Content::Bytes(bytes) => to.write_all(bytes).map_err(io),
        Content::Part(seq, name) => store.copy_part(*seq, name, to).map(|_| ()).map_err(Problem::from),
        Content::Entries => store
            .walk(|Stored { seq, header, prev, leaf }| {
                if *seq < t {
                    let mut line = manifest::entry_line(*seq, prev, leaf, header);
                    line.push(b'\n');
                    to.write_all(&line).map_err(|e| crate::chain::Error::Io { path: store.path().to_owned(), why: e.to_string() })?;
                }
                Ok(())
            })
            .map_err(Problem::from),
    }
}

pub(super) fn digest_of(path: &Path) -> Result<Hash, Problem> {
    let mut hasher = Sha256::new();
    let mut file = std::fs::File::open(path).map_err(|e| Problem::io(path, &e))?;
    io::copy(&mut file, &mut hasher).map_err(|e| Problem::io(path, &e))?;
    Ok(Hash(hasher.finalize().into()))
}

/// Writes a small file beside its place, syncs and renames it.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let io = |e: io::Error| Problem::io(path, &e);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new().prefix(".package-").tempfile_in(folder).map_err(io)?;
    beside.write_all(bytes).and_then(|()| beside.as_file().sync_all()).map_err(io)?;
    set_mode(beside.path()).map_err(io)?;
    beside.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// A package is for others to read, under any umask.
fn set_mode(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

struct Measure {
    sha256: Sha256,
    crc: crc32fast::Hasher,
    size: u64,
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sha256.update(bytes);
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Hashed<W: Write> {
    to: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
