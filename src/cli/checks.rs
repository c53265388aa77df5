//! `ledger checks`: the very questions asked.

use clap::Subcommand;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::{CliError, Exit, Globals, MessageFormat};
use crate::checks::{CHECKS, Check, Kind, find};

/// The questions asked: list them, show one
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every check with its step, severity and title
    List,
    /// One check: its header and its SQL, exactly as asked
    Show {
        /// The check's code, such as rls-forced
        code: String,
    },
}

/// Lists the checks, or prints one file.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    match &args.what {
        Some(What::Show { code }) => {
            if let Some(lines) = lint_rule(code) {
                ui.answer(lines);
                return Ok(Exit::Good);
            }
            let check = find(code)
                .ok_or_else(|| CliError::new(Exit::Usage, format!("there is no check `{code}`")).hint("ledger checks list shows them all"))?;
            match ui.format {
                MessageFormat::Json => ui.json(&described(check))?,
                MessageFormat::Human => ui.answer(&check.text),
            }
        }
        None | Some(What::List) if ui.format == MessageFormat::Json => {
            for check in CHECKS.iter() {
                ui.json(&described(check))?;
            }
            for rule in lint_rules() {
                ui.json(&rule)?;
            }
        }
        None | Some(What::List) => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(["CODE", "STEP", "SEVERITY", "KIND", "QUESTION"]);
            for check in CHECKS.iter() {
                let kind = if check.kind == Kind::Probe { "probe" } else { "query" };
                table.add_row([check.code.as_str(), check.step.word(), check.severity.word(), kind, &check.title]);
            }
            for rule in lint_rules() {
                let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
                table.add_row([text("code"), "scripts".into(), text("severity"), "lint rule".into(), text("title")]);
            }
            ui.answer(table.to_string());
        }
    }
    Ok(Exit::Good)
}

/// The rules that the scripts step's lint checks ask.
#[cfg(feature = "pg")]
fn lint_rules() -> Vec<serde_json::Value> {
    let described = |rule: &crate::migrate::lint::RuleInfo| {
        json!({
            "schema": "ledger.lint-rule/1", "code": rule.code, "title": rule.title, "severity": rule.severity, "from": rule.source.word(),
        })
    };
    crate::migrate::lint::RULES.iter().map(described).collect()
}

#[cfg(not(feature = "pg"))]
fn lint_rules() -> Vec<serde_json::Value> {
    Vec::new()
}

/// What `show` says of a lint rule.
fn lint_rule(code: &str) -> Option<String> {
    let rule = lint_rules().into_iter().find(|rule| rule["code"] == code)?;
    let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
    Some(format!(
        "-- lint rule: {code}\n-- title: {}\n-- severity: {}\n-- from: {}\n-- accept it at a place: -- ledger: allow {code} because …\n\
         -- accept it everywhere: {code} = \"reason\" under [migrations.suppress] in ledger.toml",
        text("title"),
        text("severity"),
        text("from")
    ))
}

fn described(check: &Check) -> serde_json::Value {
    json!({
        "schema": "ledger.check-definition/1", "code": check.code, "title": check.title, "step": check.step, "severity": check.severity,
        "min_subjects": check.min_subjects, "why": check.why, "fix": check.fix, "sha256": check.sha256(), "text": check.text,
    })
}
