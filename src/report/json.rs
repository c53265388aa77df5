//! The report for machines: the model itself, pretty, keys sorted. Nothing is lost: what could fool a terminal is spelled `\uXXXX`.

use super::{Report, format};

/// Renders the model. Its first reader's contract is the field `schema`.
pub(super) fn render(report: &Report) -> Result<String, String> {
    let value = serde_json::to_value(report).map_err(|error| error.to_string())?;
    let written = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
    let mut text = String::with_capacity(written.len() + 1);
    for c in written.chars() {
        // Such characters stand inside strings only, where JSON allows the escape.
        if c != '\n' && format::is_deceptive(c) { text.push_str(&format!("\\u{:04x}", c as u32)) } else { text.push(c) }
    }
    text.push('\n');
    Ok(text)
}
