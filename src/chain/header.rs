//! Headers: what one entry says, as typed values, and the shape that each type must have.

use serde_json::{Map, Value};

use super::encode::{self, Members, Profile, each_child, natural, plain, string, text};
use super::hash::{Hash, LedgerId};
use super::kind::{EntryType, statement_path};
use super::part::{Part, PartRef, read_parts};

/// The program that wrote an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    pub name: String,
    pub version: String,
    /// SHA-256 (hex) of the executable.
    pub sha256: String,
}

/// A header as typed values.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub kind: EntryType,
    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
    pub ts: String,
    pub actor: String,
    pub host: String,
    pub tool: Tool,
    pub run: Option<String>,
    pub task: Option<String>,
    pub attempt: Option<u32>,
    pub target: Option<Map<String, Value>>,
    pub parts: Vec<Part>,
    /// Earlier entries this one speaks of.
    pub refs: Vec<u64>,
    pub body: Map<String, Value>,
}

/// A header that the format does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadHeader(pub String);

impl From<encode::Malformed> for BadHeader {
    fn from(error: encode::Malformed) -> Self {
        Self(error.to_string())
    }
}

pub(super) fn bad<T>(why: impl Into<String>) -> Result<T, BadHeader> {
    Err(BadHeader(why.into()))
}

/// A header whose shape is right, borrowed from its bytes: enough for verification, without building its body.
#[derive(Clone, Debug)]
pub struct RawHeader<'a> {
    pub kind: EntryType,
    pub ts: &'a str,
    pub run: Option<&'a str>,
    pub attempt: Option<u32>,
    pub parts: Vec<PartRef<'a>>,
    pub refs: Vec<u64>,
    actor: &'a [u8],
    host: &'a [u8],
    tool: &'a [u8],
    task: Option<&'a [u8]>,
    target: Option<&'a [u8]>,
    body: &'a [u8],
}

impl<'a> RawHeader<'a> {
    /// Reads the header of entry `seq`: profile first, then members, then what its type demands.
    pub fn read(seq: u64, bytes: &'a [u8]) -> Result<Self, BadHeader> {
        let (mut v, mut kind, mut ts, mut actor, mut host, mut tool, mut body) = (None, None, None, None, None, None, None);
        let (mut run, mut task, mut attempt, mut target, mut parts, mut refs) = (None, None, None, None, Vec::new(), None);
        let mut unknown = None;
        let mut members = Members::of(bytes, Profile::Header)?;
        while let Some(key) = members.key()? {
            let slot = match key {
                b"v" => &mut v,
                b"type" => &mut kind,
                b"ts" => &mut ts,
                b"actor" => &mut actor,
                b"host" => &mut host,
                b"tool" => &mut tool,
                b"body" => &mut body,
                b"run" => &mut run,
                b"task" => &mut task,
                b"attempt" => &mut attempt,
                b"target" => &mut target,
                b"parts" => {
                    let (list, length) = read_parts(members.rest())?;
                    members.pass(length);
                    parts = list;
                    continue;
                }
                b"refs" => &mut refs,
                _ => &mut unknown,
            };
            let value = members.value()?;
            *slot = Some(if matches!(key, b"run" | b"ts" | b"type") { unquoted(value) } else { value });
        }
        if unknown.is_some() {
            return bad("unknown key");
        }
        let (Some(v), Some(kind), Some(ts), Some(actor), Some(host), Some(tool), Some(body)) = (v, kind, ts, actor, host, tool, body)
        else {
            return bad("one of v, type, ts, actor, host, tool, body is missing");
        };
        if v != b"1" {
            return bad("unknown version");
        }
        let Some(kind) = std::str::from_utf8(kind).ok().and_then(EntryType::from_name) else { return bad("unknown type") };
        let Some(ts) = std::str::from_utf8(ts).ok().filter(|ts| is_timestamp(ts)) else {
            return bad("ts is not YYYY-MM-DDTHH:MM:SS.ffffffZ");
        };
        for (name, value) in [("actor", Some(actor)), ("host", Some(host)), ("task", task)] {
            if value.is_some_and(|value| value.first() != Some(&b'"') || value == b"\"\"") {
                return bad(format!("{name} is not a text"));
            }
        }
        let run = match run.map(std::str::from_utf8) {
            None => None,
            Some(Ok(run)) if is_run(run) => Some(run),
            Some(_) => return bad("run is not a name"),
        };
        let attempt = match attempt {
            None => None,
            Some(value) => match natural(value).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) {
                None => return bad("attempt is not a positive number"),
                attempt => attempt,
            },
        };
        if target.is_some_and(|t: &[u8]| t.first() != Some(&b'{')) || body.first() != Some(&b'{') {
            return bad("body or target is not an object");
        }
        check_tool(tool)?;
        let raw = Self {
            kind,
            ts,
            run,
            attempt,
            parts,
            refs: refs.map(|refs| read_refs(refs, seq)).transpose()?.unwrap_or_default(),
            actor,
            host,
            tool,
            task,
            target,
            body,
        };
        raw.check_type(seq)?;
        Ok(raw)
    }

    /// A member of the body as it is spelled.
    pub fn body_member(&self, name: &str) -> Option<&'a [u8]> {
        encode::member(self.body, name)
    }

    /// A text of the body.
    pub fn body_text(&self, name: &str) -> Option<String> {
        self.body_member(name).and_then(text)
    }

    /// A non-negative integer of the body.
    pub fn body_natural(&self, name: &str) -> Option<u64> {
        self.body_member(name).and_then(natural)
    }

    /// The actor's text.
    pub fn actor(&self) -> String {
        text(self.actor).unwrap_or_default()
    }

    /// The task's text.
    pub fn task(&self) -> Option<String> {
        self.task.and_then(text)
    }

    fn check_type(&self, seq: u64) -> Result<(), BadHeader> {
        let kind = self.kind;
        if (seq == 0) != (kind == EntryType::LedgerOpened) {
            return bad("entry 0, and only entry 0, is ledger.opened");
        }
        if kind.needs_run() && self.run.is_none() {
            return bad(format!("{} names no run", kind.as_str()));
        }
        for part in &self.parts {
            let Some(path) = part.path else {
                match kind.statement_kind() {
                    Some(_) if matches!(part.name, "statement.json" | "statement.sig") => {
                        return bad("a statement lies under sig/");
                    }
                    _ => continue,
                }
            };
            let folder = path.split('/').next().unwrap_or_default();
            if !kind.may_use(folder) {
                return bad(format!("a part of {} does not lie under {folder}/", kind.as_str()));
            }
            if folder == "sig" && statement_path(seq, kind, part.name).as_deref() != Some(path) {
                return bad("a part under sig/ is a statement or its signature");
            }
        }
        let hash = |name: &str| self.body_member(name).and_then(plain).is_some_and(Hash::is_hex);
        let held = match kind {
            EntryType::LedgerOpened => self.run.is_none() && self.body_text("ledger_id").and_then(|hex| LedgerId::from_hex(&hex)).is_some(),
            EntryType::RunOpened => self.target.is_some(),
            EntryType::TaskStarted => self.task.is_some() && self.attempt.is_some(),
            EntryType::TaskResult => {
                self.task.is_some() && self.attempt.is_some() && !self.refs.is_empty() && self.body_member("outcome").is_some()
            }
            EntryType::Published => self.body_natural("size").is_some_and(|n| (1..=seq).contains(&n)) && hash("root"),
            EntryType::PartRedacted => self.body_natural("seq").is_some_and(|n| n < seq) && self.body_text("part").is_some(),
            EntryType::RunClosed => self.body_text("verdict").is_some(),
            // A package holds the parts of its run and of no run: what takes a key away must be in every package.
            EntryType::KeyAdded | EntryType::KeyRevoked => self.run.is_none(),
            EntryType::LedgerRestored => self.body_natural("size").is_some() && hash("root"),
            _ => true,
        };
        if held { Ok(()) } else { bad(format!("{} lacks what its type demands", kind.as_str())) }
    }
}

impl Header {
    /// Reads the header of entry `seq` into typed values.
    pub fn read(seq: u64, bytes: &[u8]) -> Result<Self, BadHeader> {
        let raw = RawHeader::read(seq, bytes)?;
        let map = |bytes: &[u8]| serde_json::from_slice::<Map<String, Value>>(bytes).map_err(|e| BadHeader(e.to_string()));
        let tool: Map<String, Value> = map(raw.tool)?;
        let of_tool = |key: &str| tool.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self {
            kind: raw.kind,
            ts: raw.ts.to_owned(),
            actor: raw.actor(),
            host: text(raw.host).unwrap_or_default(),
            tool: Tool { name: of_tool("name"), version: of_tool("version"), sha256: of_tool("sha256") },
            run: raw.run.map(str::to_owned),
            task: raw.task(),
            attempt: raw.attempt,
            target: raw.target.map(map).transpose()?,
            body: map(raw.body)?,
            parts: raw.parts.iter().map(PartRef::to_owned).collect(),
            refs: raw.refs,
        })
    }

    /// The canonical bytes of this header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, encode::Unencodable> {
        let mut top = Map::new();
        let mut put = |key: &str, value: Value| top.insert(key.to_owned(), value);
        put("v", 1.into());
        put("type", self.kind.as_str().into());
        put("ts", self.ts.as_str().into());
        put("actor", self.actor.as_str().into());
        put("host", self.host.as_str().into());
        put("tool", serde_json::json!({"name": self.tool.name, "version": self.tool.version, "sha256": self.tool.sha256}));
        put("body", Value::Object(self.body.clone()));
        put("run", self.run.as_deref().map_or(Value::Null, Value::from));
        put("task", self.task.as_deref().map_or(Value::Null, Value::from));
        put("attempt", self.attempt.map_or(Value::Null, Value::from));
        put("target", self.target.clone().map_or(Value::Null, Value::Object));
        if !self.parts.is_empty() {
            let parts = self.parts.iter().map(|part| {
                let mut value = serde_json::json!({
                    "name": part.name, "media": part.media, "size": part.size, "commit": part.commit.to_hex(),
                });
                if let (Some(path), Some(object)) = (&part.path, value.as_object_mut()) {
                    object.insert("path".into(), path.as_str().into());
                }
                value
            });
            put("parts", parts.collect());
        }
        if !self.refs.is_empty() {
            put("refs", self.refs.iter().copied().collect());
        }
        encode::canonical(&top, Profile::Header)
    }
}

/// Text between the quotes; the bare bytes when the value is not a string, which no reader of these members accepts.
fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(b"")
}

/// Whether a text is a time stamp of the format: a real calendar time in UTC with microseconds.
pub fn is_timestamp(ts: &str) -> bool {
    let b = ts.as_bytes();
    let shape = b"0000-00-00T00:00:00.000000Z";
    if b.len() != shape.len() || b.iter().zip(shape).any(|(b, s)| if *s == b'0' { !b.is_ascii_digit() } else { b != s }) {
        return false;
    }
    let n = |from: usize, to: usize| b[from..to].iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
    let (year, month, day) = (n(0, 4), n(5, 7), n(8, 10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    year > 0 && (1..=days).contains(&day) && n(11, 13) < 24 && n(14, 16) < 60 && n(17, 19) < 60
}

/// Whether a text can name a run: it is part of file names.
pub fn is_run(run: &str) -> bool {
    run.len() <= 100
        && run.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && run.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Keys are sorted, so a tool has one shape: `{"name":"…","sha256":"…","version":"…"}`.
fn check_tool(tool: &[u8]) -> Result<(), BadHeader> {
    let shape = || {
        let (name, rest) = string(tool.strip_prefix(b"{\"name\":")?)?;
        let (sha256, rest) = string(rest.strip_prefix(b",\"sha256\":")?)?;
        let (version, rest) = string(rest.strip_prefix(b",\"version\":")?)?;
        (rest == b"}" && name != b"\"\"" && version != b"\"\"" && plain(sha256).is_some_and(Hash::is_hex)).then_some(())
    };
    shape().ok_or_else(|| BadHeader("tool is not {name, sha256, version}".into()))
}

fn read_refs(list: &[u8], seq: u64) -> Result<Vec<u64>, BadHeader> {
    if list.first() != Some(&b'[') || list == b"[]" {
        return bad("refs is not a list with elements");
    }
    let (mut refs, mut held) = (Vec::new(), true);
    each_child(list, &mut |element| match natural(element.value).filter(|n| *n < seq) {
        Some(n) => refs.push(n),
        None => held = false,
    })?;
    if held { Ok(refs) } else { bad("refs name earlier entries") }
}
