//! A subject's detail for a person: lines instead of JSON. `--message-format json` has it whole.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cli::ui::inert;

/// Contexts of one attempt that are named; the others are counted.
const CONTEXTS: usize = 4;

/// The lines of a detail, two spaces for each level, without control characters.
pub fn lines(detail: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    write(detail, 0, &mut lines);
    lines
}

fn write(value: &Value, level: usize, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) => object(members, level, lines),
        Value::Array(values) if values.iter().all(|value| plain(value).is_some()) => {
            lines.extend(values.iter().filter_map(plain).map(|text| indented(level, &text)));
        }
        Value::Array(values) => {
            for value in values {
                write(value, level, lines);
            }
        }
        value => lines.extend(plain(value).map(|text| indented(level, &text))),
    }
}

/// What can be said in a word stands on one line, what holds more below its name.
fn object(members: &Map<String, Value>, level: usize, lines: &mut Vec<String>) {
    let said = |(name, value): (&String, &Value)| plain(value).map(|text| format!("{} {text}", inert(name)));
    let words: Vec<String> = members.iter().filter_map(said).collect();
    if !words.is_empty() {
        lines.push(indented(level, &words.join(" · ")));
    }
    for (name, value) in members.iter().filter(|(_, value)| plain(value).is_none() && !is_empty(value)) {
        match (name.as_str(), value) {
            ("cells", Value::Array(cells)) => attempts(cells, level, lines),
            _ => {
                lines.push(indented(level, &format!("{}:", inert(name))));
                write(value, level + 1, lines);
            }
        }
    }
}

/// Cells of the isolation matrix: each statement once, with what came of it and as whom, in the order in which they were tried.
fn attempts(cells: &[Value], level: usize, lines: &mut Vec<String>) {
    let text = |cell: &Value, name: &str| cell[name].as_str().map(inert).unwrap_or_default();
    let mut order: Vec<(String, String)> = Vec::new();
    let mut contexts: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for cell in cells {
        let statement = match cell["statement"].as_str() {
            Some(statement) => inert(statement),
            None => text(cell, "command"),
        };
        let attempt = (statement, text(cell, "why"));
        if !contexts.contains_key(&attempt) {
            order.push(attempt.clone());
        }
        contexts.entry(attempt).or_default().push(text(cell, "context"));
    }
    for attempt in order {
        let as_whom = contexts.remove(&attempt).unwrap_or_default();
        let more = as_whom.len().saturating_sub(CONTEXTS);
        let named = as_whom.into_iter().take(CONTEXTS).collect::<Vec<_>>().join(" · ");
        let more = if more > 0 { format!(" · {more} more") } else { String::new() };
        lines.push(indented(level, &attempt.0));
        lines.push(indented(level + 1, &attempt.1));
        lines.push(indented(level + 1, &format!("as {named}{more}")));
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(inert(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null => Some("-".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

fn indented(level: usize, text: &str) -> String {
    format!("{}{text}", "  ".repeat(level))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_of_many_contexts_stands_once() {
        let cell = |context: &str| json!({"command": "SELECT", "context": context, "statement": "SELECT 1", "why": "1 foreign row"});
        let mut cells: Vec<Value> = ["app, member of A", "app, owner", "app, admin", "anon", "app, clerk", "app, guest"].map(cell).to_vec();
        cells.push(json!({"command": "TRUNCATE", "context": "app", "statement": null, "why": "emptied"}));
        let shown = lines(&json!({ "cells": cells })).join("\n");
        insta::assert_snapshot!(shown, @"
        SELECT 1
          1 foreign row
          as app, member of A · app, owner · app, admin · anon · 2 more
        TRUNCATE
          emptied
          as app
        ");
    }

    #[test]
    fn other_details_are_words_and_lists() {
        let detail = json!({
            "by_probe": 2, "by_checks": 0, "empty": [], "files": ["a.sql", "b\u{1b}[31m.sql"],
            "survivors": [{"mutant": "p: dropped", "why": "no cell saw it"}, {"mutant": "q: to PUBLIC", "why": null}],
        });
        insta::assert_snapshot!(lines(&detail).join("\n"), @"
        by_checks 0 · by_probe 2
        files:
          a.sql
          b�[31m.sql
        survivors:
          mutant p: dropped · why no cell saw it
          mutant q: to PUBLIC · why -
        ");
    }
}
