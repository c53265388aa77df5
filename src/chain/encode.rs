//! The header profile: strict JSON in canonical form, read without building anything, and the writer of the same form.
//!
//! Accepted bytes are exactly canonical bytes (RFC 8785 restricted): UTF-8 without BOM, compact, keys sorted and unique, integers of at most 53 bits,
//! no null ("absent" is omitted), no control characters but `\n` and `\t`, containers nested at most 16 deep. So a value has one spelling,
//! and a second parser cannot read another value from the same bytes.

use serde_json::{Map, Value};

/// Longest header, bytes.
pub const HEADER_MAX: usize = 60 * 1024;
/// Longest statement, bytes.
pub const STATEMENT_MAX: usize = 1024 * 1024;
/// Deepest nesting of objects and arrays; the outermost object is 1.
pub const DEPTH_MAX: usize = 16;
/// Largest magnitude of an integer: 2^53 − 1.
pub const INT_MAX: i64 = (1 << 53) - 1;

/// Which documents the profile is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Headers: keys `[a-z0-9_]`, at most 60 KiB.
    Header,
    /// Statements: keys also upper case, at most 1 MiB.
    Statement,
}

impl Profile {
    fn max(self) -> usize {
        match self {
            Self::Header => HEADER_MAX,
            Self::Statement => STATEMENT_MAX,
        }
    }

    fn key_byte(self, b: u8) -> bool {
        KEY[usize::from(b)] & if self == Self::Header { 1 } else { 2 } != 0
    }
}

/// Bytes that are not in the profile, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {why}")]
pub struct Malformed {
    pub at: usize,
    pub why: &'static str,
}

/// A value that the profile cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Unencodable {
    pub path: String,
    pub why: &'static str,
}

/// One member of an object or one element of an array, as it is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Empty for array elements.
    pub key: &'a [u8],
    pub value: &'a [u8],
}

/// Checks a whole document against the profile: one object and nothing else.
pub fn check(bytes: &[u8], profile: Profile) -> Result<(), Malformed> {
    scan(bytes, profile, &mut |_| {})
}

/// Checks a whole document and gives each member of the outermost object to `each`, in order.
pub fn scan<'a>(bytes: &'a [u8], profile: Profile, each: &mut dyn FnMut(Member<'a>)) -> Result<(), Malformed> {
    let mut members = Members::of(bytes, profile)?;
    while let Some(key) = members.key()? {
        each(Member { key, value: members.value()? });
    }
    Ok(())
}

/// The members of a document's outermost object, one after the other: a key, then its value.
pub(super) struct Members<'a> {
    scanner: Scanner<'a>,
    last: &'a [u8],
}

impl<'a> Members<'a> {
    /// Starts before the first member. The document is UTF-8 and not too long; the rest is found out on the way.
    pub fn of(bytes: &'a [u8], profile: Profile) -> Result<Self, Malformed> {
        if bytes.len() > profile.max() {
            return Err(Malformed { at: profile.max(), why: "too long" });
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(Malformed { at: error.valid_up_to(), why: "not UTF-8" });
        }
        let mut scanner = Scanner { bytes, at: 0, profile };
        scanner.eat(b'{', "not an object")?;
        Ok(Self { scanner, last: b"" })
    }

    /// The next key, larger than the one before; `None` at the end of the document, after which there is nothing.
    pub fn key(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let first = self.last.is_empty();
        match self.scanner.peek() {
            Some(b'}') => {
                self.scanner.at += 1;
                match self.scanner.peek() {
                    None => return Ok(None),
                    Some(_) => return Err(self.scanner.fail("bytes after the end")),
                }
            }
            Some(b',') if !first => self.scanner.at += 1,
            _ if !first => return Err(self.scanner.fail("neither comma nor end of object")),
            _ => {}
        }
        self.last = self.scanner.key(self.last)?;
        Ok(Some(self.last))
    }

    /// The value of the key that was given last, as it is spelled.
    pub fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.scanner.at;
        self.scanner.value(1)?;
        Ok(&self.scanner.bytes[start..self.scanner.at])
    }

    /// Everything after the key that was given last: for a value that somebody else reads, byte for byte, who then says how long it was.
    pub fn rest(&self) -> &'a [u8] {
        &self.scanner.bytes[self.scanner.at..]
    }

    /// Passes over a value of so many bytes that somebody else read.
    pub fn pass(&mut self, length: usize) {
        self.scanner.at += length;
    }
}

/// Gives the members of an object or the elements of an array to `each`, in order. The bytes are already known to be in the profile.
pub fn each_child<'a>(value: &'a [u8], each: &mut dyn FnMut(Member<'a>)) -> Result<(), Malformed> {
    let mut scanner = Scanner { bytes: value, at: 0, profile: Profile::Statement };
    match scanner.peek() {
        Some(b'{') => scanner.object(1, each),
        Some(b'[') => scanner.array(1, each),
        _ => Err(scanner.fail("not an object or array")),
    }
}

/// The member of an object whose bytes are in the profile; `None` when it has none of that name, and of what is no object.
pub fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    each_child(object, &mut |Member { key, value }| {
        if key == name.as_bytes() {
            found = Some(value);
        }
    })
    .ok()?;
    found
}

/// The text of a string value that spells every character as itself, borrowed; `None` for other strings and other values.
pub fn plain(value: &[u8]) -> Option<&str> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') { None } else { std::str::from_utf8(inner).ok() }
}

/// The text of a string value whose bytes are in the profile; `None` when it is not a string.
pub fn text(value: &[u8]) -> Option<String> {
    if let Some(plain) = plain(value) {
        return Some(plain.to_owned());
    }
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&b) = bytes.next() {
        out.push(match b {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                &other => other,
            },
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// The string of the profile that bytes begin with, its quotes included, and the bytes after it; the bytes are checked.
pub(super) fn checked_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut scanner = Scanner { bytes, at: 0, profile: Profile::Header };
    scanner.peek().filter(|b| *b == b'"')?;
    scanner.string().ok()?;
    Some(bytes.split_at(scanner.at))
}

/// The string that bytes of the profile begin with, its quotes included, and the bytes after it; `None` when they begin with something else.
pub(super) fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 1;
    if bytes.first() != Some(&b'"') {
        return None;
    }
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(bytes.split_at(at + 1)),
            _ => at += 2,
        }
    }
}

/// The value of an integer whose bytes are in the profile; `None` when it is not a non-negative integer.
pub fn natural(value: &[u8]) -> Option<u64> {
    let digit = |n: u64, b: &u8| if b.is_ascii_digit() { n.checked_mul(10)?.checked_add(u64::from(b - b'0')) } else { None };
    if value.is_empty() { None } else { value.iter().try_fold(0, digit) }
}

/// Eight bytes of a string at once: the high bit of each byte that is no plain ASCII character of a string is set, that is of quotes,
/// backslashes, controls, DEL and non-ASCII bytes. The lowest bit that is set is exact; a borrow may set bits above it.
fn stops(chunk: u64) -> u64 {
    const fn every(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let is = |byte| (chunk ^ every(byte)).wrapping_sub(every(1));
    (chunk | chunk.wrapping_sub(every(0x20)) | is(b'"') | is(b'\\') | is(0x7f)) & every(0x80)
}

/// Which bytes keys of headers (1) and of statements (2) have.
const KEY: [u8; 256] = {
    let mut key = [0; 256];
    let mut b = 0;
    while b < 256 {
        key[b] = match b as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => 3,
            b'A'..=b'Z' => 2,
            _ => 0,
        };
        b += 1;
    }
    key
};

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    profile: Profile,
}

impl<'a> Scanner<'a> {
    fn fail(&self, why: &'static str) -> Malformed {
        Malformed { at: self.at, why }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8, why: &'static str) -> Result<(), Malformed> {
        if self.peek() != Some(wanted) {
            return Err(self.fail(why));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.fail("not a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(depth + 1, &mut |_| {}),
            Some(b'[') => self.array(depth + 1, &mut |_| {}),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => Err(self.fail("null: an absent value is omitted")),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b' ' | b'\n' | b'\t' | b'\r') => Err(self.fail("white space between tokens")),
            _ => Err(self.fail("not a value")),
        }
    }

    /// A key and its colon. It is larger than `last`; the first is compared with the empty key, which is smaller than all.
    fn key(&mut self, last: &[u8]) -> Result<&'a [u8], Malformed> {
        self.eat(b'"', "not a key")?;
        let start = self.at;
        let rest = &self.bytes[start..];
        self.at += rest.iter().position(|b| !self.profile.key_byte(*b)).unwrap_or(rest.len());
        let key = &self.bytes[start..self.at];
        if key.is_empty() || self.peek() != Some(b'"') {
            return Err(self.fail("a character that keys do not have"));
        }
        // Mostly the first letters decide, which is cheaper than comparing the whole.
        if key.first() <= last.first() && key <= last {
            return Err(Malformed { at: start, why: if key == last { "duplicate key" } else { "keys out of order" } });
        }
        self.at += 1;
        self.eat(b':', "no colon after a key")?;
        Ok(key)
    }

    fn object(&mut self, depth: usize, each: &mut dyn FnMut(Member<'a>)) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(self.fail("nested too deeply"));
        }
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut last: &[u8] = b"";
        loop {
            last = self.key(last)?;
            let (key, start) = (last, self.at);
            self.value(depth)?;
            each(Member { key, value: &self.bytes[start..self.at] });
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.fail("neither comma nor end of object")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize, each: &mut dyn FnMut(Member<'a>)) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(self.fail("nested too deeply"));
        }
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let start = self.at;
            self.value(depth)?;
            each(Member { key: b"", value: &self.bytes[start..self.at] });
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.fail("neither comma nor end of array")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        loop {
            while let Some(chunk) = self.bytes[self.at..].first_chunk() {
                match stops(u64::from_le_bytes(*chunk)) {
                    0 => self.at += 8,
                    stop => {
                        self.at += stop.trailing_zeros() as usize / 8;
                        break;
                    }
                }
            }
            match self.peek() {
                None => return Err(self.fail("unterminated string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    if !matches!(self.bytes.get(self.at + 1), Some(b'"' | b'\\' | b'n' | b't')) {
                        return Err(self.fail("an escape that canonical form does not use"));
                    }
                    self.at += 2;
                }
                Some(0x00..=0x1f | 0x7f) => return Err(self.fail("control character")),
                // U+0080 to U+009F: the C1 controls.
                Some(0xc2) if matches!(self.bytes.get(self.at + 1), Some(0x80..=0x9f)) => return Err(self.fail("control character")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn integer(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let spelled = &self.bytes[digits..self.at];
        let bad = |why| Malformed { at: start, why };
        match spelled {
            [] => return Err(bad("not a number")),
            [b'0'] if digits > start => return Err(bad("-0")),
            [b'0', _, ..] => return Err(bad("leading zero")),
            _ => {}
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(bad("not an integer"));
        }
        // 2^53 − 1 has 16 digits, so longer ones are out before they could overflow.
        let fits = spelled.len() <= 16 && spelled.iter().fold(0i64, |n, b| n * 10 + i64::from(b - b'0')) <= INT_MAX;
        if fits { Ok(()) } else { Err(bad("integer of more than 53 bits")) }
    }
}

/// Writes an object in canonical form. Members that are null are left out: absent is omitted, never null.
pub fn canonical(object: &Map<String, Value>, profile: Profile) -> Result<Vec<u8>, Unencodable> {
    let mut out = Vec::with_capacity(512);
    write_object(object, profile, 1, "", &mut out)?;
    if out.len() > profile.max() {
        return Err(Unencodable { path: "document".into(), why: "too long" });
    }
    Ok(out)
}

fn write_object(object: &Map<String, Value>, profile: Profile, depth: usize, path: &str, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let refuse = |path: &str, why| Err(Unencodable { path: path.to_owned(), why });
    if depth > DEPTH_MAX {
        return refuse(path, "nested too deeply");
    }
    let mut members: Vec<(&String, &Value)> = object.iter().filter(|(_, value)| !value.is_null()).collect();
    members.sort_unstable_by_key(|(key, _)| key.as_bytes());
    out.push(b'{');
    for (i, (key, value)) in members.into_iter().enumerate() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if key.is_empty() || !key.bytes().all(|b| profile.key_byte(b)) {
            return refuse(&path, "a character that keys do not have");
        }
        if i > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        write_value(value, profile, depth, &path, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_value(value: &Value, profile: Profile, depth: usize, path: &str, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let refuse = |why| Err(Unencodable { path: path.to_owned(), why });
    match value {
        Value::Null => return refuse("null in an array"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match number.as_i64() {
            Some(n) if (-INT_MAX..=INT_MAX).contains(&n) => out.extend_from_slice(n.to_string().as_bytes()),
            _ => return refuse("not an integer of at most 53 bits"),
        },
        Value::String(text) => {
            out.push(b'"');
            for c in text.chars() {
                match c {
                    '"' => out.extend_from_slice(b"\\\""),
                    '\\' => out.extend_from_slice(b"\\\\"),
                    '\n' => out.extend_from_slice(b"\\n"),
                    '\t' => out.extend_from_slice(b"\\t"),
                    c if c.is_control() => return refuse("control character"),
                    c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            out.push(b'"');
        }
        Value::Array(items) => {
            if depth >= DEPTH_MAX {
                return refuse("nested too deeply");
            }
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(item, profile, depth + 1, path, out)?;
            }
            out.push(b']');
        }
        Value::Object(object) => write_object(object, profile, depth + 1, path, out)?,
    }
    Ok(())
}
