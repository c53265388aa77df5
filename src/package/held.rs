//! What is verified: an archive, its unpacked folder, or the ledger itself, behind one way of asking.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::contents::Placed;
use super::scan::Archive;
use super::{Problem, cores, malformed_archive, zip};
use crate::chain::hash::Commitment;
use crate::chain::{Fault, Hash, SignatureRow, Signed, Store};

/// Files that are read whole have at most this many bytes.
pub(super) const SMALL: u64 = 64 * 1024 * 1024;

/// The thing under verification.
pub(super) enum Held<'a> {
    Archive(Archive),
    Folder(PathBuf),
    Ledger(&'a Store),
}

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartState {
    /// There, and what its entry commits to.
    Holds,
    /// There, and something else.
    Differs,
    /// Left out of this view, and listed as such.
    Withheld,
    Absent,
}

/// `ledger/salts` and `ledger/withheld` of a package.
#[derive(Default)]
pub(super) struct Lists {
    pub salts: BTreeMap<(u64, String), [u8; 32]>,
    pub withheld: BTreeSet<(u64, String)>,
}

impl Held<'_> {
    /// Names and sizes of a package's files, in byte order of names. A ledger has none.
    pub fn files(&self) -> Result<Vec<(String, u64)>, Problem> {
        match self {
            Self::Ledger(_) => Ok(Vec::new()),
            Self::Archive(archive) => Ok(archive.files().map(|(name, size)| (name.to_owned(), size)).collect()),
            Self::Folder(folder) => {
                let mut found = Vec::new();
                walk_folder(folder, "", &mut found)?;
                found.sort();
                Ok(found)
            }
        }
    }

    /// The files of a package; `None` of a ledger, which has tables.
    pub fn package(&self) -> Option<Files<'_>> {
        match self {
            Self::Ledger(_) => None,
            Self::Archive(archive) => Some(Files::Archive(archive)),
            Self::Folder(folder) => Some(Files::Folder(folder)),
        }
    }

    /// Gives a file's bytes piece by piece; its size, or `None` when it is not there.
    pub fn stream(&self, name: &str, each: &mut dyn FnMut(&[u8])) -> Result<Option<u64>, Problem> {
        self.package().map_or(Ok(None), |files| files.stream(name, each))
    }

    /// A small file as a whole.
    pub fn small(&self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        let mut bytes = Vec::new();
        let mut too_long = false;
        let read = self.stream(name, &mut |piece| {
            too_long |= (bytes.len() + piece.len()) as u64 > SMALL;
            if !too_long {
                bytes.extend_from_slice(piece);
            }
        })?;
        if too_long { Err(malformed_archive(&format!("{name} is too long"))) } else { Ok(read.map(|_| bytes)) }
    }

    /// A small text file of a package, which must be there.
    pub fn text(&self, name: &str) -> Result<String, Problem> {
        let bytes = self.small(name)?.ok_or_else(|| Fault::new(format!("MISSING({name})"), format!("the package has no {name}")))?;
        String::from_utf8(bytes).map_err(|_| Fault::new(format!("EDITED({name})"), format!("{name} is not a text")).into())
    }

    /// Checks parts against their commitments: what became of each, or why it cannot be said, in their order. What was already made of a
    /// file's bytes with the same salt is not made again.
    pub fn part_states(&self, placed: &[Placed], lists: &Lists, made: &BTreeMap<String, Committed>) -> Vec<Result<PartState, Problem>> {
        match (self, self.package()) {
            (_, Some(files)) => {
                let sizes: Vec<u64> = placed.iter().map(|placed| placed.part.size).collect();
                cores::each(&sizes, &|i| files.part_state(&placed[i], lists, made.get(&placed[i].path)))
            }
            (Self::Ledger(store), _) => placed.iter().map(|placed| stored_part(store, placed)).collect(),
            _ => Vec::new(),
        }
    }

    /// The bytes of a part that is read as a whole; `None` when it is not there. A longer one than `most` bytes is no such part: its header
    /// says how long it is, so nobody's memory is spent on finding out.
    pub fn part_bytes(&self, placed: &Placed, most: u64) -> Result<Option<Vec<u8>>, Problem> {
        if placed.part.size > most {
            return Err(
                Fault::new(format!("MALFORMED({})", placed.seq), format!("{} is too long for what it says it is", placed.path)).into()
            );
        }
        match self {
            Self::Ledger(store) => match store.part(placed.seq, &placed.part.name) {
                Ok(bytes) => Ok(bytes),
                Err(crate::chain::Error::Fault(fault)) if fault.name() == "MISSING" => Ok(None),
                Err(error) => Err(error.into()),
            },
            _ => self.small(&placed.path),
        }
    }

    /// The digest of a part; `None` when it is not there.
    pub fn part_digest(&self, placed: &Placed) -> Result<Option<Hash>, Problem> {
        let mut hasher = Sha256::new();
        let there = match self {
            Self::Ledger(store) => match store.copy_part(placed.seq, &placed.part.name, &mut hasher) {
                Err(crate::chain::Error::Fault(fault)) if fault.name() == "MISSING" => None,
                copied => copied?,
            },
            _ => self.stream(&placed.path, &mut |piece| hasher.update(piece))?,
        };
        Ok(there.map(|_| Hash(hasher.finalize().into())))
    }

    /// Signatures beside the chain, with the names that verification gives them.
    pub fn signatures(&self) -> Result<Vec<(String, SignatureRow)>, Problem> {
        if let Self::Ledger(store) = self {
            return Ok(store.signatures(u64::MAX >> 1)?.into_iter().map(|row| (row.over.package_path(&row.key), row)).collect());
        }
        let mut found = Vec::new();
        for (name, _) in self.files()? {
            if let Some((over, key)) = signature_name(&name) {
                let bytes = self.small(&name)?.unwrap_or_default();
                found.push((name, SignatureRow { over, key, bytes }));
            }
        }
        Ok(found)
    }

    /// Time stamps of heads: the file that each has in a package, and the size of the head.
    pub fn stamps(&self) -> Result<Vec<(String, u64, Vec<u8>)>, Problem> {
        let mut found = Vec::new();
        if let Self::Ledger(store) = self {
            for row in store.anchors(u64::MAX >> 1)? {
                let file = format!("ledger/anchors/{}-{}", row.size, row.name);
                if let Some(size) = stamped_size(&file) {
                    found.push((file, size, row.bytes));
                }
            }
        }
        for (name, _) in self.files()? {
            if let Some(size) = stamped_size(&name) {
                let bytes = self.small(&name)?.unwrap_or_default();
                found.push((name, size, bytes));
            }
        }
        Ok(found)
    }
}

/// The head that a kept time stamp is over, by its file: `ledger/anchors/<size>-rfc3161-….tsr`.
pub(super) fn stamped_size(file: &str) -> Option<u64> {
    let (size, name) = file.strip_prefix("ledger/anchors/")?.split_once('-')?;
    let number: u64 = size.parse().ok().filter(|n: &u64| n.to_string() == size)?;
    (name.starts_with("rfc3161-") && name.ends_with(".tsr")).then_some(number)
}

/// A package's files, which several threads may read at once.
#[derive(Clone, Copy)]
pub(super) enum Files<'a> {
    Archive(&'a Archive),
    Folder(&'a Path),
}

impl Files<'_> {
    /// Gives a file's bytes piece by piece; its size, or `None` when it is not there.
    fn stream(self, name: &str, each: &mut dyn FnMut(&[u8])) -> Result<Option<u64>, Problem> {
        let folder = match self {
            Self::Archive(archive) => return archive.stream(name, each),
            Self::Folder(folder) => folder,
        };
        use std::io::ErrorKind::{NotADirectory, NotFound};
        let path = folder.join(name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if matches!(e.kind(), NotFound | NotADirectory) => return Ok(None),
            Err(e) => return Err(Problem::io(&path, &e)),
        };
        let mut buffer = vec![0; 256 * 1024];
        let mut size = 0;
        loop {
            let n = file.read(&mut buffer).map_err(|e| Problem::io(&path, &e))?;
            if n == 0 {
                return Ok(Some(size));
            }
            size += n as u64;
            each(&buffer[..n]);
        }
    }

    /// The digest of each file, or why it has none, in the order of the files; of an archive also that of its bytes as a whole. Of a file with
    /// a salt, the commitment too, while its bytes are at hand.
    pub fn digests(self, files: &[(String, u64)], salts: &BTreeMap<String, [u8; 32]>) -> Digests {
        let mut sizes: Vec<u64> = files.iter().map(|(name, size)| size * if salts.contains_key(name) { 2 } else { 1 }).collect();
        if let Self::Archive(archive) = self {
            sizes.push(archive.size());
        }
        let digest = |i: usize| {
            let mut hasher = Sha256::new();
            let mut committed = None;
            match (self, files.get(i)) {
                (_, Some((name, _))) => {
                    let mut commitment = salts.get(name).map(|salt| (*salt, Commitment::new(salt)));
                    self.stream(name, &mut |piece| {
                        hasher.update(piece);
                        if let Some((_, commitment)) = &mut commitment {
                            commitment.update(piece);
                        }
                    })?;
                    committed =
                        commitment.map(|(salt, commitment)| Committed { salt, size: commitment.len(), commit: commitment.finish() });
                }
                (Self::Archive(archive), None) => archive.stream_whole(&mut |piece| hasher.update(piece))?,
                (Self::Folder(_), None) => {}
            }
            Ok((Hash(hasher.finalize().into()), committed))
        };
        let mut of_files = cores::each(&sizes, &digest);
        let whole = if matches!(self, Self::Archive(_)) { of_files.pop() } else { None };
        Digests { of_files, whole: whole.map(|whole| whole.map(|(digest, _)| digest)) }
    }

    fn part_state(self, placed: &Placed, lists: &Lists, made: Option<&Committed>) -> Result<PartState, Problem> {
        let key = (placed.seq, placed.part.name.clone());
        let Some(salt) = lists.salts.get(&key) else {
            return Ok(if lists.withheld.contains(&key) && placed.may_be_withheld() { PartState::Withheld } else { PartState::Absent });
        };
        let (size, commit) = match made.filter(|made| made.salt == *salt) {
            Some(made) => (made.size, made.commit),
            None => {
                let mut commitment = Commitment::new(salt);
                let Some(size) = self.stream(&placed.path, &mut |piece| commitment.update(piece))? else { return Ok(PartState::Absent) };
                (size, commitment.finish())
            }
        };
        Ok(if size == placed.part.size && commit == placed.part.commit { PartState::Holds } else { PartState::Differs })
    }
}

/// What was made of a file's bytes and a salt.
#[derive(Clone, Copy)]
pub(super) struct Committed {
    pub salt: [u8; 32],
    pub size: u64,
    pub commit: Hash,
}

/// What a package's files hash to.
pub(super) struct Digests {
    pub of_files: Vec<Result<(Hash, Option<Committed>), Problem>>,
    /// Of the archive's bytes as a whole.
    pub whole: Option<Result<Hash, Problem>>,
}

fn stored_part(store: &Store, placed: &Placed) -> Result<PartState, Problem> {
    match store.copy_part(placed.seq, &placed.part.name, &mut std::io::sink()) {
        Ok(Some(_)) => Ok(PartState::Holds),
        Ok(None) => Ok(PartState::Absent),
        Err(crate::chain::Error::Fault(fault)) if fault.name() == "EDITED" => Ok(PartState::Differs),
        Err(crate::chain::Error::Fault(fault)) if fault.name() == "MISSING" => Ok(PartState::Absent),
        Err(error) => Err(error.into()),
    }
}

/// What `sig/task.<seq>.<key>.sig` and `sig/checkpoint.<size>.<key>.sig` are over.
pub(super) fn signature_name(name: &str) -> Option<(Signed, String)> {
    let mut fields = name.strip_prefix("sig/")?.strip_suffix(".sig")?.split('.');
    let (kind, n, key) = (fields.next()?, fields.next()?, fields.next()?);
    let number: u64 = n.parse().ok()?;
    let over = match kind {
        "task" => Signed::Task(number),
        "checkpoint" => Signed::Checkpoint(number),
        _ => return None,
    };
    let hex = key.len() == 16 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (hex && fields.next().is_none() && over.package_path(key) == name).then(|| (over, key.to_owned()))
}

fn walk_folder(folder: &Path, prefix: &str, found: &mut Vec<(String, u64)>) -> Result<(), Problem> {
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).and_then(Iterator::collect);
    let mut entries = entries.map_err(|e| Problem::io(folder, &e))?;
    // One order, so that the first fault is the same for every reader.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let meta = entry.metadata().map_err(|e| Problem::io(&entry.path(), &e))?;
        if !zip::is_name(&name) {
            return Err(malformed_archive("name"));
        }
        if meta.is_dir() {
            walk_folder(&entry.path(), &format!("{name}/"), found)?;
        } else if meta.is_file() {
            found.push((name, meta.len()));
        } else {
            return Err(malformed_archive("not a regular file"));
        }
    }
    Ok(())
}
