//! Markdown for git and pull requests. Every value a template writes is escaped; what stands in a code block goes through `code`.

use minijinja::value::Value;
use minijinja::{Environment, Output, State};

use super::{Report, environment, fill, format};

/// Renders a Markdown template.
pub(super) fn render(template: &str, report: &Report) -> Result<String, String> {
    let mut environment: Environment<'static> = environment().map_err(|error| format!("{error:#}"))?;
    environment.set_formatter(write_value);
    environment.add_filter("code", code);
    let templates = [
        ("readiness.md", include_str!("../../templates/readiness.md")),
        ("go_no_go.md", include_str!("../../templates/go_no_go.md")),
        ("rollback_procedure.md", include_str!("../../templates/rollback_procedure.md")),
        ("rollback_checklist.md", include_str!("../../templates/rollback_checklist.md")),
        ("marks.md", include_str!("../../templates/marks.md")),
    ];
    for (name, source) in templates {
        environment.add_template(name, source).map_err(|error| format!("{error:#}"))?;
    }
    fill(&environment, template, report)
}

/// Escapes whatever is not marked safe. The default cannot serve: it knows no Markdown and refuses the format.
fn write_value(out: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_undefined() {
        return Err(minijinja::ErrorKind::UndefinedError.into());
    }
    let text = value.to_string();
    let text = if value.is_safe() { text } else { format::markdown(&text) };
    out.write_str(&text).map_err(minijinja::Error::from)
}

/// One line of a fenced block: a value with a line feed could end the block, so it becomes visible.
fn code(text: &str) -> Value {
    Value::from_safe_string(format::visible(text, false))
}
