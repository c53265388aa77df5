//! Reports, checklist and rollback procedure: rendered from a run's entries and from nothing else, the same bytes every time.
//!
//! 1. [`model::build`] turns a run into plain values; it is the only door in.
//! 2. The values pass [`inert`] once: no control character, override or zero-width character survives.
//! 3. Templates write them: HTML escapes everything, Markdown escapes everything (`format::markdown`), code blocks hold one line
//!    a value. No template asks, judges or counts.

pub mod chart;
pub mod checklist;
pub mod format;
pub mod gates;
pub mod graph;
pub mod html;
pub mod isolation;
pub mod json;
pub mod locks;
pub mod markdown;
pub mod model;
pub mod risks;
pub mod rollback;
pub mod summary;
pub mod tasks;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

pub use model::{Report, Source, build};

/// The readiness report.
pub const READINESS_MD: &str = "STAGING_MIGRATION_READINESS_REPORT.md";
pub const READINESS_HTML: &str = "STAGING_MIGRATION_READINESS_REPORT.html";
/// The go/no-go checklist.
pub const GO_NO_GO_MD: &str = "PRODUCTION_MIGRATION_GO_NO_GO.md";
pub const GO_NO_GO_HTML: &str = "PRODUCTION_MIGRATION_GO_NO_GO.html";
/// The emergency procedure and its checklist.
pub const ROLLBACK_MD: &str = "ROLLBACK_PROCEDURE.md";
pub const ROLLBACK_CHECKLIST_MD: &str = "ROLLBACK_VERIFICATION_CHECKLIST.md";
/// The same for machines.
pub const JSON: &str = "report.json";

/// Every file of a report, under the plan's own names, in byte order.
pub const FILES: [&str; 7] = [GO_NO_GO_HTML, GO_NO_GO_MD, ROLLBACK_MD, ROLLBACK_CHECKLIST_MD, READINESS_HTML, READINESS_MD, JSON];

/// A template that does not fit its model: a bug, never the reader's fault.
#[derive(Debug, thiserror::Error)]
#[error("cannot render {file}: {cause}")]
pub struct RenderError {
    pub file: &'static str,
    pub cause: String,
}

/// Renders every file. The bytes are a function of the report alone.
pub fn render(report: &Report) -> Result<Vec<(String, Vec<u8>)>, RenderError> {
    FILES.iter().map(|file| Ok(((*file).to_owned(), render_one(report, file)?))).collect()
}

/// Renders one of [`FILES`].
pub fn render_one(report: &Report, file: &'static str) -> Result<Vec<u8>, RenderError> {
    let text = match file {
        READINESS_HTML => html::render("readiness.html", report),
        GO_NO_GO_HTML => html::render("go_no_go.html", report),
        READINESS_MD => markdown::render("readiness.md", report),
        GO_NO_GO_MD => markdown::render("go_no_go.md", report),
        ROLLBACK_MD => markdown::render("rollback_procedure.md", report),
        ROLLBACK_CHECKLIST_MD => markdown::render("rollback_checklist.md", report),
        JSON => json::render(report),
        _ => Err("there is no such report".into()),
    };
    text.map(String::into_bytes).map_err(|cause| RenderError { file, cause })
}

/// The environment all templates share: undefined values are errors, and every value is escaped for its format.
fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?);
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html" | "svg") => AutoEscape::Html,
        Some("md") => AutoEscape::Custom("markdown".into()),
        _ => AutoEscape::None,
    });
    Ok(environment)
}

/// Renders a template of the environment with the report as `r` and its charts as `charts`.
fn fill(environment: &Environment<'_>, template: &str, report: &Report) -> Result<String, String> {
    let explain = |error: minijinja::Error| format!("{error:#}");
    let value =
        |json: Result<serde_json::Value, serde_json::Error>| json.map(inert).map(|v| Value::from(Serde(v))).map_err(|e| e.to_string());
    let (r, charts) = (value(serde_json::to_value(report))?, value(serde_json::to_value(&report.charts))?);
    let template = environment.get_template(template).map_err(explain)?;
    template.render(minijinja::context! { r => r, charts => charts }).map_err(explain)
}

/// The value with every text made visible, see [`format::visible`]. Logs keep their lines.
fn inert(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => Json::String(format::visible(&text, true)),
        Json::Array(items) => Json::Array(items.into_iter().map(inert).collect()),
        Json::Object(fields) => Json::Object(fields.into_iter().map(|(key, v)| (key, inert(v))).collect()),
        other => other,
    }
}
