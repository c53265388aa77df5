//! The report for machines: the model itself, pretty, keys sorted.

use super::Report;

/// Renders the model. Its first reader's contract is the field `schema`.
pub(super) fn render(report: &Report) -> Result<String, String> {
    let value = serde_json::to_value(report).map_err(|error| error.to_string())?;
    let mut text = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
    text.push('\n');
    Ok(text)
}
