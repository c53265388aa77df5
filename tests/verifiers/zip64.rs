//! Archives past 4 GiB, without 4 GiB on disk: files of zeros that nobody wrote, between real records. The records are judged by both verifiers
//! and read by `zipinfo`, `unzip` and Python's zipfile, which know nothing of ours.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use migration_ledger::package::scan;
use migration_ledger::package::zip::{Record, ZipWriter, end};
use serde_json::json;

/// The last size, and the last offset, that 32 bits hold: 0xffff_ffff itself says "see zip64".
const LAST: u64 = 0xffff_fffe;

/// The CRC of `n` zeros, by doubling.
fn crc_of_zeros(mut n: u64) -> u32 {
    let mut all = crc32fast::Hasher::new();
    let mut power = crc32fast::Hasher::new();
    power.update(&[0]);
    while n > 0 {
        if n & 1 == 1 {
            all.combine(&power);
        }
        power.combine(&power.clone());
        n >>= 1;
    }
    all.finalize()
}

/// Writes an archive of `zeros.bin`, so many zeros, and `zz.txt`, five bytes after it. Where the zeros lie, nothing is written.
fn archive(path: &Path, zeros: u64) {
    let mut file = File::create(path).unwrap();
    let first = Record { name: "zeros.bin".into(), size: zeros, crc: crc_of_zeros(zeros), offset: 0 };
    let second = Record { name: "zz.txt".into(), size: 5, crc: crc32fast::hash(b"after"), offset: first.local().len() as u64 + zeros };
    file.write_all(&first.local()).unwrap();
    file.seek(SeekFrom::Start(second.offset)).unwrap();
    file.write_all(&[second.local(), b"after".to_vec()].concat()).unwrap();
    let start = file.stream_position().unwrap();
    let central = [first.central(), second.central()].concat();
    file.write_all(&[&central[..], &end(2, start, central.len() as u64)].concat()).unwrap();
}

/// Names, sizes and offsets as both verifiers see them, or the word of both.
fn both(path: &Path) -> Result<Vec<(String, u64, u64)>, String> {
    let mut file = File::open(path).unwrap();
    let total = file.metadata().unwrap().len();
    let ours = scan::structure(&mut file, total)
        .map(|records| records.into_iter().map(|r| (r.name, r.size, r.offset)).collect::<Vec<_>>())
        .map_err(|problem| problem.to_string().split(':').next().unwrap().to_owned());
    let theirs = crate::both::ask(&json!({"ask": "zip", "path": path}));
    let expected = match &ours {
        Ok(records) => json!({"records": records}),
        Err(word) => json!({"word": word}),
    };
    assert_eq!(theirs, expected, "left verify.py");
    ours
}

fn said(program: &str, args: &[&str], path: &Path, more: &[&str]) -> String {
    let out = Command::new(program).args(args).arg(path).args(more).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program}: {out:?}");
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn sizes_and_offsets_of_more_than_32_bits_are_in_zip64_fields_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let header = 30 + "zeros.bin".len() as u64;
    // The zeros' size, whether it needs zip64, whether the offset behind it does.
    let cases = [
        (LAST - header, false, false),
        (LAST + 1 - header, false, true),
        (LAST, false, true),
        (LAST + 1, true, true),
        (5 << 30, true, true),
    ];
    for (zeros, wide_size, wide_offset) in cases {
        let path = folder.path().join("big.zip");
        archive(&path, zeros);
        let records = both(&path).unwrap();
        let offset = header + if wide_size { 20 } else { 0 } + zeros;
        assert_eq!(records, [("zeros.bin".into(), zeros, 0), ("zz.txt".into(), 5, offset)]);
        let fields = |record: Record| (record.local().len() - 30 - record.name.len(), record.central().len() - 46 - record.name.len());
        let crc = 0;
        assert_eq!(fields(Record { name: "zeros.bin".into(), size: zeros, crc, offset: 0 }), if wide_size { (20, 20) } else { (0, 0) });
        assert_eq!(fields(Record { name: "zz.txt".into(), size: 5, crc, offset }), (0, if wide_offset { 12 } else { 0 }), "{zeros}");

        let listed = said(
            "python3",
            &[
                "-c",
                "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print([(i.filename, i.file_size, i.header_offset) for i in z.infolist()], z.read('zz.txt'))",
            ],
            &path,
            &[],
        );
        assert_eq!(listed.trim(), format!("[('zeros.bin', {zeros}, 0), ('zz.txt', 5, {offset})] b'after'"));
        // Info-ZIP takes a value that happens to be 0xffff_ffff itself for one that is still to come; Python does not.
        if ![zeros, offset].contains(&(LAST + 1)) {
            assert_eq!(said("unzip", &["-p"], &path, &["zz.txt"]), "after");
            assert!(said("zipinfo", &["-l"], &path, &[]).contains(&format!(" {zeros} ")), "{zeros}");
        }
    }
}

#[test]
fn a_zip64_field_where_none_is_needed_or_that_lies_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.zip");
    let zeros = 5u64 << 30;
    let cases: [(&str, u64, &str); 4] = [
        // Bytes of the archive that are replaced, counted from where; and the word.
        ("local size", 30 + 9 + 4, "MALFORMED-ARCHIVE(local header differs from central)"),
        ("central size", 46 + 9 + 4, "MALFORMED-ARCHIVE(central record)"),
        ("central offset", (46 + 9 + 20) + 46 + 6 + 4, "MALFORMED-ARCHIVE(hidden bytes)"),
        ("end of central directory", (46 + 9 + 20) + (46 + 6 + 12) + 32, "MALFORMED-ARCHIVE(end record)"),
    ];
    for (what, at, word) in cases {
        archive(&path, zeros);
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        let start = 30 + 9 + 20 + zeros + 30 + 6 + 5;
        let at = if what == "local size" { at } else { start + at };
        let mut byte = [0];
        file.seek(SeekFrom::Start(at)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte[0] + 1]).unwrap();
        assert_eq!(both(&path), Err(word.to_owned()), "{what}");
    }
    // A field of zip64 for five bytes: another spelling of the same archive.
    let record = Record { name: "a.txt".into(), size: 5, crc: crc32fast::hash(b"after"), offset: 0 };
    let mut central = record.central();
    central[20..28].copy_from_slice(&[0xff; 8]);
    central[30] = 20;
    central.extend([1, 0, 16, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    let start = record.local().len() as u64 + 5;
    std::fs::write(&path, [&record.local()[..], b"after", &central, &end(1, start, central.len() as u64)].concat()).unwrap();
    assert_eq!(both(&path), Err("MALFORMED-ARCHIVE(central record)".into()));
}

/// 65,535 files are one more than the old end record can count.
#[test]
fn more_files_than_16_bits_count_have_a_zip64_end_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.zip");
    for count in [0xfffeu32, 0xffff] {
        let mut writer = ZipWriter::new(std::io::BufWriter::new(File::create(&path).unwrap()));
        for n in 0..count {
            writer.file(&format!("{n:05}"), 0, 0, &mut |_| Ok(())).unwrap();
        }
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() % (46 + 5 + 30 + 5) == 22, count < 0xffff, "the zip64 end record is there from 65,535 on");
        assert_eq!(both(&path).unwrap().len(), count as usize);
        let counted = said("python3", &["-c", "import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).infolist()))"], &path, &[]);
        assert_eq!(counted.trim(), count.to_string());
    }
}
