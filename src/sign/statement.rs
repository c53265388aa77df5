//! Statements: what people sign. An in-toto Statement v1 in the header profile, over a checkpoint.

use serde_json::{Map, Value, json};

use super::{Namespace, SignError};
use crate::chain::encode::{self, Profile};
use crate::chain::{Checkpoint, Hash, LedgerId, hash};

const TYPE: &str = "https://in-toto.io/Statement/v1";

/// A statement as read or to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// `attestation`, `waiver`, `redaction`, `keys` or `signoff`.
    pub kind: String,
    /// SHA-256 of the checkpoint's text: subject 0.
    pub checkpoint: Hash,
    pub ledger_id: LedgerId,
    pub run: Option<String>,
    /// Size of the checkpoint.
    pub size: u64,
    pub principal: String,
    pub reason: String,
    /// Further subjects: file name in the package and SHA-256, such as the reports of a sign-off.
    pub subjects: Vec<(String, Hash)>,
    /// The kind's own fields: `decision` of a sign-off, `item` of an attestation, …
    pub fields: Map<String, Value>,
}

/// Members that every predicate has; a kind's own fields cannot be named like them.
const COMMON: [&str; 5] = ["ledger_id", "run", "size", "principal", "reason"];

impl Statement {
    /// A statement of a kind over a checkpoint by a principal.
    pub fn over(kind: &str, checkpoint: &Checkpoint, run: Option<&str>, principal: &str, reason: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            checkpoint: hash::sha256(checkpoint.text().as_bytes()),
            ledger_id: checkpoint.ledger_id,
            run: run.map(str::to_owned),
            size: checkpoint.size,
            principal: principal.to_owned(),
            reason: reason.to_owned(),
            subjects: Vec::new(),
            fields: Map::new(),
        }
    }

    /// The same statement with one of the kind's own fields.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// The canonical bytes: `statement.json`, exactly what is signed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SignError> {
        let mut subjects = vec![json!({"name": "checkpoint", "digest": {"sha256": self.checkpoint.to_hex()}})];
        subjects.extend(self.subjects.iter().map(|(name, digest)| json!({"name": name, "digest": {"sha256": digest.to_hex()}})));
        let mut predicate = self.fields.clone();
        for (key, value) in [
            ("ledger_id", Value::from(self.ledger_id.to_hex())),
            ("run", self.run.as_deref().map_or(Value::Null, Value::from)),
            ("size", self.size.into()),
            ("principal", self.principal.as_str().into()),
            ("reason", self.reason.as_str().into()),
        ] {
            if predicate.insert(key.into(), value).is_some() {
                return Err(SignError::Statement(format!("{key} is not a field of its own")));
            }
        }
        let top = json!({
            "_type": TYPE,
            "subject": subjects,
            "predicateType": format!("https://ledger.invalid/{}/v1", self.kind),
            "predicate": predicate,
        });
        let Value::Object(top) = top else { return Err(SignError::Statement("not an object".into())) };
        encode::canonical(&top, Profile::Statement).map_err(|e| SignError::Statement(e.to_string()))
    }

    /// Reads a statement; its bytes must be exactly what [`Self::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignError> {
        let bad = |why: &str| SignError::Statement(why.to_owned());
        encode::check(bytes, Profile::Statement).map_err(|e| SignError::Statement(e.to_string()))?;
        let top: Value = serde_json::from_slice(bytes).map_err(|e| SignError::Statement(e.to_string()))?;
        let kind = top["predicateType"]
            .as_str()
            .and_then(|t| t.strip_prefix("https://ledger.invalid/")?.strip_suffix("/v1"))
            .filter(|kind| Namespace::of_statement(kind).is_some())
            .ok_or_else(|| bad("unknown predicateType"))?;
        let subjects = top["subject"].as_array().ok_or_else(|| bad("no subject"))?;
        let mut read = subjects.iter().map(|subject| {
            let digest = subject["digest"]["sha256"].as_str().and_then(Hash::from_hex);
            subject["name"].as_str().map(str::to_owned).zip(digest).ok_or_else(|| bad("a subject is not {name, digest.sha256}"))
        });
        let checkpoint = match read.next() {
            Some(Ok((name, digest))) if name == "checkpoint" => digest,
            _ => return Err(bad("the first subject is not the checkpoint")),
        };
        let predicate = top["predicate"].as_object().ok_or_else(|| bad("no predicate"))?;
        let text = |key: &str| predicate.get(key).and_then(Value::as_str).map(str::to_owned);
        let statement = Self {
            kind: kind.to_owned(),
            checkpoint,
            ledger_id: text("ledger_id").as_deref().and_then(LedgerId::from_hex).ok_or_else(|| bad("no ledger_id"))?,
            run: text("run"),
            size: predicate.get("size").and_then(Value::as_u64).ok_or_else(|| bad("no size"))?,
            principal: text("principal").ok_or_else(|| bad("no principal"))?,
            reason: text("reason").ok_or_else(|| bad("no reason"))?,
            subjects: read.collect::<Result<_, _>>()?,
            fields: predicate.iter().filter(|(key, _)| !COMMON.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect(),
        };
        // Nothing in the bytes that this reading does not see.
        if statement.to_bytes()? != bytes {
            return Err(bad("members that a statement does not have"));
        }
        Ok(statement)
    }

    /// A text among the kind's own fields.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }
}
