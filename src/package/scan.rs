//! The structure of an archive, judged before anything in it is read.
//!
//! First, the end record is the file's last bytes and has no comment, and the central directory ends where it begins. Second, the directory's
//! records, in byte order of names, point at local headers that stand gaplessly from byte 0. Third, every record equals, byte for byte, what
//! [`super::zip`] writes for its name, size and CRC. So whatever another reader looks at, it sees the same files.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::zip::{self, Record};
use super::{Problem, malformed_archive};

/// Largest central directory that is read into memory, bytes: some hundred thousand files.
const DIRECTORY_MAX: u64 = 64 * 1024 * 1024;
const END: u64 = 22;
const END64: u64 = 56 + 20;

/// An archive whose structure holds.
#[derive(Debug)]
pub struct Archive {
    file: File,
    /// Bytes.
    size: u64,
    records: Vec<Record>,
}

/// Judges the structure of an archive and gives its files. Nothing is extracted, and contents are not read.
pub fn scan(path: &Path) -> Result<Archive, Problem> {
    let mut file = File::open(path).map_err(|e| Problem::io(path, &e))?;
    let total = file.metadata().map_err(|e| Problem::io(path, &e))?.len();
    let records = structure(&mut file, total).map_err(|problem| match problem {
        Problem::Io(why) => Problem::Io(format!("{}: {why}", path.display())),
        other => other,
    })?;
    Ok(Archive { file, size: total, records })
}

/// Judges the structure of an archive of `total` bytes; its records, in byte order of names.
pub fn structure(file: &mut (impl Read + Seek), total: u64) -> Result<Vec<Record>, Problem> {
    let mut read = |at: u64, n: u64| -> Result<Vec<u8>, Problem> {
        let io = |e: std::io::Error| Problem::Io(e.to_string());
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        file.by_ref().take(n).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 == n { Ok(bytes) } else { Err(malformed_archive("cut short")) }
    };
    let (count, start, length) = directory(total, &mut read)?;
    let central = read(start, length)?;
    let records = records(&central, count)?;
    let mut at = 0;
    let mut last: Option<&Record> = None;
    let mut folded = std::collections::BTreeSet::new();
    for record in &records {
        if !zip::is_name(&record.name) {
            return Err(malformed_archive("name"));
        }
        if let Some(last) = last {
            if last.name == record.name {
                return Err(malformed_archive("duplicate name"));
            }
            if last.name.as_bytes() > record.name.as_bytes() {
                return Err(malformed_archive("order"));
            }
        }
        if !folded.insert(record.name.to_ascii_lowercase()) {
            return Err(malformed_archive("names that differ in case only"));
        }
        if record.offset != at {
            return Err(malformed_archive(if record.offset < at {
                "overlap"
            } else if at == 0 {
                "prefix"
            } else {
                "hidden bytes"
            }));
        }
        let local = record.local();
        let room = start.checked_sub(at).and_then(|room| room.checked_sub(local.len() as u64));
        if room.is_none_or(|room| room < record.size) {
            return Err(malformed_archive("lying size"));
        }
        if read(at, local.len() as u64)? != local {
            return Err(malformed_archive("local header differs from central"));
        }
        at += local.len() as u64 + record.size;
        last = Some(record);
    }
    if at != start {
        return Err(malformed_archive("hidden bytes"));
    }
    // A file cannot also be a folder of another name.
    if let Some(record) = records.iter().find(|r| {
        folded
            .range(format!("{}/", r.name.to_ascii_lowercase())..)
            .next()
            .is_some_and(|n| n.starts_with(&format!("{}/", r.name.to_ascii_lowercase())))
    }) {
        return Err(malformed_archive(&format!("{} is a file and a folder", record.name)));
    }
    Ok(records)
}

type ReadAt<'a> = dyn FnMut(u64, u64) -> Result<Vec<u8>, Problem> + 'a;

/// The central directory's count, start and length, by the end record that the file must end with.
fn directory(total: u64, read: &mut ReadAt<'_>) -> Result<(u64, u64, u64), Problem> {
    if total < END {
        return Err(malformed_archive("not a zip archive"));
    }
    let tail = read(total - END, END)?;
    if !tail.starts_with(b"PK\x05\x06") {
        return Err(malformed_archive("no end record at the end: trailing bytes, a comment, or not a zip archive"));
    }
    let (mut count, mut length, mut start) = (u64::from(le16(&tail, 10)), u64::from(le32(&tail, 12)), u64::from(le32(&tail, 16)));
    let mut end = total - END;
    if (count == 0xffff || length == 0xffff_ffff || start == 0xffff_ffff) && total >= END + END64 {
        let wide = read(total - END - END64, END64)?;
        if wide.starts_with(b"PK\x06\x06") {
            (count, length, start) = (le64(&wide, 32), le64(&wide, 40), le64(&wide, 48));
            end -= END64;
        }
    }
    let ends = start.checked_add(length).ok_or_else(|| malformed_archive("lying end record"))?;
    if ends != end {
        return Err(malformed_archive(if ends < end { "prefix or a second archive" } else { "lying end record" }));
    }
    if length > DIRECTORY_MAX {
        return Err(malformed_archive("central directory too large"));
    }
    if read(end, total - end)? != zip::end(count, start, length) {
        return Err(malformed_archive("end record"));
    }
    Ok((count, start, length))
}

fn records(mut central: &[u8], count: u64) -> Result<Vec<Record>, Problem> {
    let mut records = Vec::new();
    while !central.is_empty() {
        if central.len() < 46 || !central.starts_with(b"PK\x01\x02") {
            return Err(malformed_archive("central directory"));
        }
        let (name, extra, comment) = (le16(central, 28) as usize, le16(central, 30) as usize, le16(central, 32) as usize);
        if central.len() < 46 + name + extra + comment {
            return Err(malformed_archive("central directory"));
        }
        let (this, rest) = central.split_at(46 + name + extra + comment);
        let name = std::str::from_utf8(&this[46..46 + name]).map_err(|_| malformed_archive("name"))?;
        if le16(this, 8) != 0 || le16(this, 10) != 0 {
            return Err(malformed_archive(if le16(this, 10) != 0 { "compressed" } else { "flags" }));
        }
        let (mut size, mut offset) = (u64::from(le32(this, 24)), u64::from(le32(this, 42)));
        let mut wide = this[46 + name.len()..].get(4..).unwrap_or_default();
        if size == 0xffff_ffff && wide.len() >= 16 {
            size = le64(wide, 0);
            wide = &wide[16..];
        }
        if offset == 0xffff_ffff && wide.len() >= 8 {
            offset = le64(wide, 0);
        }
        let record = Record { name: name.to_owned(), size, crc: le32(this, 16), offset };
        if !zip::is_name(name) {
            return Err(malformed_archive("name"));
        }
        if record.central() != this {
            let mode = le32(this, 38) >> 16;
            return Err(malformed_archive(if mode & 0o170_000 != 0o100_000 { "not a regular file" } else { "central record" }));
        }
        records.push(record);
        central = rest;
    }
    if records.len() as u64 != count {
        return Err(malformed_archive("count"));
    }
    Ok(records)
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

impl Archive {
    /// The files, in byte order of names: name and size.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.records.iter().map(|record| (record.name.as_str(), record.size))
    }

    /// Bytes of the archive as a whole.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gives the bytes of the archive as a whole, piece by piece.
    pub fn stream_whole(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Problem> {
        self.range(0, self.size, each).map_err(|e| Problem::Io(format!("the archive: {e}")))
    }

    fn range(&self, mut at: u64, mut left: u64, each: &mut dyn FnMut(&[u8])) -> std::io::Result<()> {
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(256 * 1024)];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            // Without a seek, so that several threads may read at once.
            let n = self.file.read_at(&mut buffer[..want], at)?;
            if n == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            each(&buffer[..n]);
            at += n as u64;
            left -= n as u64;
        }
        Ok(())
    }

    /// Gives a file's bytes piece by piece and checks its CRC at the end. `None`: no such file.
    pub fn stream(&self, name: &str, each: &mut dyn FnMut(&[u8])) -> Result<Option<u64>, Problem> {
        let Ok(found) = self.records.binary_search_by(|r| r.name.as_str().cmp(name)) else { return Ok(None) };
        let record = &self.records[found];
        let mut crc = crc32fast::Hasher::new();
        let start = record.offset + record.local().len() as u64;
        let mut checked = |piece: &[u8]| {
            crc.update(piece);
            each(piece);
        };
        self.range(start, record.size, &mut checked).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => malformed_archive("cut short"),
            _ => Problem::Io(format!("{name}: {e}")),
        })?;
        if crc.finalize() != record.crc {
            return Err(malformed_archive(&format!("CRC of {name}")));
        }
        Ok(Some(record.size))
    }
}
