//! The archive's records, written in the one form of the format.
//!
//! The `zip` crate cannot write them: it derives "made by" from what an entry needs (3.10 for a stored file, where the format says 3.30) and may
//! choose otherwise in a later version, while these bytes must never change. So the few records are written here, and
//! [`super::scan`] compares an archive with these same functions.

use std::io::{self, Write};

/// "Made by": Unix, version 3.0 of the tool's counting.
const MADE_BY: u16 = 0x031e;
/// 1980-01-01 in MS-DOS form; the time is 0.
const DATE: u16 = 0x0021;
/// A regular file of mode 0644.
const ATTRIBUTES: u32 = 0o100_644 << 16;
/// A 32-bit field that holds this is said in the zip64 field.
const FULL32: u64 = 0xffff_ffff;
const FULL16: u64 = 0xffff;

/// One stored file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub size: u64,
    pub crc: u32,
    /// Offset of the local header.
    pub offset: u64,
}

fn low32(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn low16(n: u64) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

impl Record {
    /// The local header: what stands before the file's bytes.
    pub fn local(&self) -> Vec<u8> {
        let mut extra = Vec::new();
        if self.size >= FULL32 {
            extra.extend([1, 0, 16, 0]);
            extra.extend(self.size.to_le_bytes());
            extra.extend(self.size.to_le_bytes());
        }
        let mut out = b"PK\x03\x04".to_vec();
        self.common(&mut out, low32(self.size), extra.len(), !extra.is_empty());
        out.extend(self.name.as_bytes());
        out.extend(extra);
        out
    }

    /// The central record.
    pub fn central(&self) -> Vec<u8> {
        let mut wide = Vec::new();
        if self.size >= FULL32 {
            wide.extend(self.size.to_le_bytes());
            wide.extend(self.size.to_le_bytes());
        }
        if self.offset >= FULL32 {
            wide.extend(self.offset.to_le_bytes());
        }
        let mut extra = Vec::new();
        if !wide.is_empty() {
            extra.extend([1, 0]);
            extra.extend(low16(wide.len() as u64).to_le_bytes());
            extra.extend(wide);
        }
        let mut out = b"PK\x01\x02".to_vec();
        out.extend(MADE_BY.to_le_bytes());
        self.common(&mut out, low32(self.size), extra.len(), !extra.is_empty());
        // No comment, disk 0, no internal attributes.
        out.extend([0; 6]);
        out.extend(ATTRIBUTES.to_le_bytes());
        out.extend(low32(self.offset).to_le_bytes());
        out.extend(self.name.as_bytes());
        out.extend(extra);
        out
    }

    /// The fields that both headers share: version needed, flags, method, time, CRC, sizes, lengths.
    fn common(&self, out: &mut Vec<u8>, size: u32, extra: usize, wide: bool) {
        out.extend((if wide { 45u16 } else { 10 }).to_le_bytes());
        // Flags 0, method stored, time 0.
        out.extend([0; 6]);
        out.extend(DATE.to_le_bytes());
        out.extend(self.crc.to_le_bytes());
        out.extend(size.to_le_bytes());
        out.extend(size.to_le_bytes());
        out.extend(low16(self.name.len() as u64).to_le_bytes());
        out.extend(low16(extra as u64).to_le_bytes());
    }
}

/// What stands after the central directory.
pub fn end(count: u64, start: u64, length: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if count >= FULL16 || start >= FULL32 || length >= FULL32 {
        out.extend(b"PK\x06\x06");
        out.extend(44u64.to_le_bytes());
        out.extend(MADE_BY.to_le_bytes());
        out.extend(45u16.to_le_bytes());
        out.extend([0; 8]);
        for n in [count, count, length, start] {
            out.extend(n.to_le_bytes());
        }
        out.extend(b"PK\x06\x07");
        out.extend([0; 4]);
        out.extend((start + length).to_le_bytes());
        out.extend(1u32.to_le_bytes());
    }
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]);
    out.extend(low16(count).to_le_bytes());
    out.extend(low16(count).to_le_bytes());
    out.extend(low32(length).to_le_bytes());
    out.extend(low32(start).to_le_bytes());
    out.extend([0; 2]);
    out
}

/// Whether a name can stand in a package: components `[A-Za-z0-9][A-Za-z0-9._-]*` joined by `/`, at most 255 bytes.
pub fn is_name(name: &str) -> bool {
    let component = |part: &str| {
        part.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    name.len() <= 255 && name.split('/').all(component)
}

/// Writes an archive file by file, in order. Sizes and CRCs are known before, so nothing is patched afterwards.
pub struct ZipWriter<W: Write> {
    to: W,
    at: u64,
    done: Vec<Record>,
}

impl<W: Write> ZipWriter<W> {
    /// Starts an archive.
    pub fn new(to: W) -> Self {
        Self { to, at: 0, done: Vec::new() }
    }

    /// Writes one file; `content` must write exactly the bytes that `size` and `crc` were computed from.
    pub fn file(&mut self, name: &str, size: u64, crc: u32, content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let record = Record { name: name.to_owned(), size, crc, offset: self.at };
        if !is_name(name) || self.done.last().is_some_and(|last| last.name.as_bytes() >= name.as_bytes()) {
            return Err(io::Error::other(format!("{name} cannot stand here in a package")));
        }
        let header = record.local();
        self.to.write_all(&header)?;
        let mut counted = Counted { to: &mut self.to, crc: crc32fast::Hasher::new(), n: 0 };
        content(&mut counted)?;
        let (n, found) = (counted.n, counted.crc.finalize());
        if n != size || found != crc {
            return Err(io::Error::other(format!("{name} changed while it was packed")));
        }
        self.at += header.len() as u64 + size;
        self.done.push(record);
        Ok(())
    }

    /// Writes the central directory and the end; gives the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        let start = self.at;
        let mut length = 0;
        for record in &self.done {
            let central = record.central();
            length += central.len() as u64;
            self.to.write_all(&central)?;
        }
        self.to.write_all(&end(self.done.len() as u64, start, length))?;
        self.to.flush()?;
        Ok(self.to)
    }
}

struct Counted<'a, W: Write> {
    to: &'a mut W,
    crc: crc32fast::Hasher,
    n: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.crc.update(&bytes[..n]);
        self.n += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
