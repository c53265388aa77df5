//! A script: a whole file, or the part of one that is run at a time.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::migrate::split::{Splitter, StatementKind, decode};

/// A script as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Relative to the migrations folder, `/`-separated.
    pub file: String,
    /// What is run. In a part of a file everything that is not of the part is blank, so that lines and columns are the file's.
    pub bytes: Vec<u8>,
    /// SHA-256 (hex) of the script's own bytes as they lie on disk: the whole file, or its part.
    pub sha256: String,
    /// False where the layout says that it runs outside of a transaction.
    pub wrapped: bool,
}

impl Script {
    /// A script that is a whole file.
    pub fn new(file: impl Into<String>, bytes: Vec<u8>) -> Self {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Self { file: file.into(), bytes, sha256, wrapped: true }
    }

    /// The part of a file in this byte range.
    pub fn part(file: impl Into<String>, whole: &[u8], range: Range<usize>) -> Self {
        Self::parts(file, whole, std::iter::once(range))
    }

    /// The part of a file in these byte ranges, which ascend and do not overlap.
    pub fn parts(file: impl Into<String>, whole: &[u8], ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut digest = Sha256::new();
        let mut bytes = Vec::new();
        let mut at = 0;
        for range in ranges {
            blank(&whole[at..range.start], &mut bytes);
            bytes.extend_from_slice(&whole[range.clone()]);
            digest.update(&whole[range.clone()]);
            at = range.end;
        }
        Self { file: file.into(), bytes, sha256: hex::encode(digest.finalize()), wrapped: true }
    }

    /// The same, to be run outside of a transaction if `wrapped` is false.
    pub fn wrapped(mut self, wrapped: bool) -> Self {
        self.wrapped = wrapped;
        self
    }

    /// A script that is, as a whole, one transaction of its own: its `BEGIN` and its last `COMMIT` (or `ROLLBACK`, in a verify script)
    /// are blanked out, since the transaction is ours. Any other script is left as it is.
    pub(super) fn without_own_transaction(mut self) -> Self {
        let offset = if self.bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let Ok(text) = decode(&self.bytes) else { return self };
        // Cheap first: most files have none.
        if !may_hold_a_transaction(text) {
            return self;
        }
        // A long script is walked, not kept.
        let (mut first, mut last, mut controls) = (None, None, 0);
        for statement in Splitter::new(text) {
            controls += usize::from(statement.kind == StatementKind::TransactionControl);
            match &first {
                None => first = Some(statement),
                Some(_) => last = Some(statement),
            }
        }
        let (Some(first), Some(last), 2) = (first, last, controls) else { return self };
        let is = |text: &str, words: &[&str]| {
            let mut said = text.split_whitespace().map(str::to_ascii_lowercase);
            let word = said.next().unwrap_or_default();
            words.contains(&word.as_str()) && said.all(|more| more == "transaction" || more == "work")
        };
        if !is(first.text, &["begin", "start"]) || !is(last.text, &["commit", "end", "rollback"]) {
            return self;
        }
        let ranges = [&first, &last].map(|s| offset + s.start..offset + s.start + s.text.len());
        for range in ranges {
            for byte in &mut self.bytes[range] {
                if !matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
        self.wrapped = true;
        self
    }
}

fn may_hold_a_transaction(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| ["begin", "start"].iter().any(|own| word.eq_ignore_ascii_case(own)))
}

/// Blanks: line breaks stay, and of the last line its width.
fn blank(bytes: &[u8], out: &mut Vec<u8>) {
    let last_line = memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1);
    out.extend(bytes[..last_line].iter().filter(|byte| **byte == b'\n'));
    // One blank a character, since columns count characters.
    out.extend(bytes[last_line..].iter().filter(|byte| (**byte & 0xc0) != 0x80).map(|_| b' '));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::split::{Place, runs_in_a_transaction, split_bytes};

    #[test]
    fn a_part_keeps_the_places_of_its_file() {
        let whole = "-- up\ncreate table t ();\n-- down ü: drop table t;\nmore".as_bytes();
        let up = Script::part("f.sql", whole, 6..24);
        let from = whole.iter().position(|b| *b == b':').unwrap() + 2;
        let down = Script::part("f.sql", whole, from..from + 13);
        let place = |script: &Script| split_bytes(&script.bytes).statements[0].place;
        assert_eq!(place(&up), Place { line: 2, column: 1 });
        assert_eq!(place(&down), Place { line: 3, column: 12 });
        assert_eq!(down.sha256, Script::new("g.sql", b"drop table t;".to_vec()).sha256);
    }

    #[test]
    fn a_transaction_around_a_whole_file_becomes_ours() {
        let split = |text: &str| {
            let script = Script::new("f.sql", text.as_bytes().to_vec()).without_own_transaction();
            let split = split_bytes(&script.bytes);
            (split.statements.len(), split.refusals.len())
        };
        assert_eq!(split("-- c\nBEGIN;\ncreate table t ();\nCOMMIT;\n"), (1, 0));
        assert_eq!(split("start transaction; select 1; end work"), (1, 0));
        assert_eq!(split("begin; select 1; rollback;"), (1, 0));
        // Anything else is refused as before: these do not cover the file, or say more than that.
        assert_eq!(split("begin; select 1; commit; select 2;").1, 2);
        assert_eq!(split("begin; select 1; commit; begin; select 2; commit;").1, 4);
        assert_eq!(split("begin isolation level serializable; select 1; commit;").1, 2);
        assert!(!runs_in_a_transaction(&Script::new("f.sql", b"select 1".to_vec()).wrapped(false)));
    }
}
