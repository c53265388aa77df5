//! One HTML file: no script, no network, light, dark and print.

use super::{Report, environment, fill};

/// Renders an HTML template.
pub(super) fn render(template: &str, report: &Report) -> Result<String, String> {
    let mut environment = environment().map_err(|error| format!("{error:#}"))?;
    let templates = [
        ("readiness.html", include_str!("../../templates/readiness.html")),
        ("go_no_go.html", include_str!("../../templates/go_no_go.html")),
        ("frame.html", include_str!("../../templates/frame.html")),
        ("marks.html", include_str!("../../templates/marks.html")),
        ("style.css", include_str!("../../templates/style.css")),
        ("isolation.svg", include_str!("../../templates/charts/isolation.svg")),
        ("latency.svg", include_str!("../../templates/charts/latency.svg")),
        ("timeline.svg", include_str!("../../templates/charts/timeline.svg")),
        ("graph.svg", include_str!("../../templates/charts/graph.svg")),
        ("rows.svg", include_str!("../../templates/charts/rows.svg")),
        ("history.svg", include_str!("../../templates/charts/history.svg")),
    ];
    for (name, source) in templates {
        environment.add_template(name, source).map_err(|error| format!("{error:#}"))?;
    }
    fill(&environment, template, report)
}
