//! The remarks as SARIF 2.1.0 (OASIS Standard, "Static Analysis Results Interchange Format"), which code review tools read.

use serde_json::{Value, json};

use super::{RULES, Remark};
use crate::domain::Severity;

/// One log of one run. `root`: the folder of the scripts as a relative URI, such as `migrations`.
pub fn sarif(root: &str, remarks: &[(String, Vec<Remark>)]) -> Value {
    let mut rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.code,
                "shortDescription": { "text": rule.title },
                "defaultConfiguration": { "level": level(rule.severity) },
                "properties": { "tags": [rule.source.word()] },
            })
        })
        .collect();
    let syntax = json!({ "id": "syntax", "shortDescription": { "text": "The script is PostgreSQL's SQL" }, "defaultConfiguration": { "level": "error" } });
    let runnable = json!({ "id": "runnable", "shortDescription": { "text": "The script can be run as it stands" }, "defaultConfiguration": { "level": "error" } });
    rules.extend([syntax, runnable]);
    let results: Vec<Value> = remarks
        .iter()
        .flat_map(|(file, remarks)| remarks.iter().map(move |remark| (file, remark)))
        .map(|(file, remark)| {
            let index = rules.iter().position(|rule| rule["id"] == remark.rule.as_str());
            let mut result = json!({
                "ruleId": remark.rule,
                "level": level(remark.severity()),
                "message": { "text": remark.message },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri(root, file), "uriBaseId": "%SRCROOT%" },
                    "region": { "startLine": remark.place.line, "startColumn": remark.place.column },
                } }],
            });
            if let Some(index) = index {
                result["ruleIndex"] = json!(index);
            }
            if let Some(reason) = &remark.accepted {
                result["suppressions"] = json!([{ "kind": "inSource", "justification": reason }]);
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "ledger", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "%SRCROOT%": { "description": { "text": "The root of the project" } } },
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// A relative reference: everything but unreserved characters and slashes is percent-encoded (RFC 3986, section 2).
fn uri(root: &str, file: &str) -> String {
    let path = if root.is_empty() { file.to_owned() } else { format!("{}/{file}", root.trim_end_matches('/')) };
    path.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
