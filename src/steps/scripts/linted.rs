//! What lint says of the pending scripts, weighed by the target's rows; and which suppressions still suppress something.

use serde_json::json;

use super::Scripts;
use super::files::pending_or_unknown;
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::migrate::lint::{self, Concern, Given, Remark, Suppressions, Tables};
use crate::migrate::rehearse::Rehearsal;
use crate::migrate::split::decode;
use crate::pg::Catalog;
use crate::steps::{Context, StepError, StepReport};

/// Asks the three lint checks. Returns which configured suppressions accepted something.
pub fn lint(cx: &Context<'_>, report: &mut StepReport, scripts: &Scripts<'_>, catalog: &Catalog) -> Result<Vec<String>, StepError> {
    let config = &cx.config.migrations;
    cx.progress.say("linting the scripts");
    let asked = Asked::now();
    let counted =
        cx.environment().and_then(|environment| environment.backup.as_ref()).map(|backup| backup.tables.as_slice()).unwrap_or_default();
    let tables = Tables::of(catalog, counted.iter().map(|table| (table.table.clone(), table.rows)));
    let given: Vec<Given<'_>> = scripts.pending.iter().map(|m| Given { script: &m.up, transactional: m.transactional }).collect();
    let examined = lint::examine(&given, cx.target.major(), &tables, &config.suppress);
    // One reading of the files answers all three.
    let asked = asked.stopped();
    let coverage = examined.coverage.sentence();
    cx.log.line(format!("lint: {coverage}"));

    let (mut style, mut large, mut security) = (Vec::new(), Vec::new(), Vec::new());
    for (file, remarks) in &examined.remarks {
        let heavy =
            |remark: &Remark| remark.concern() == Concern::Blocking && remark.rows.is_some_and(|rows| rows >= config.large_table_rows);
        let (opening, others): (Vec<Remark>, Vec<Remark>) =
            remarks.iter().cloned().partition(|remark| remark.concern() == Concern::Security);
        let (blocking, others): (Vec<Remark>, Vec<Remark>) = others.into_iter().partition(heavy);
        for (rows, remarks, nothing) in [
            (&mut style, &others, "no rule fires"),
            (&mut large, &blocking, "no large table is blocked"),
            (&mut security, &opening, "nothing opened"),
        ] {
            if remarks.is_empty() {
                rows.push(SubjectRow::new(file, true, nothing, "none"));
            }
        }
        style.extend(
            lint::by_rule(&others).into_values().map(|(count, first)| remark_row(format!("{file} {}", first.rule), file, count, &first)),
        );
        large.extend(blocking.iter().chain(&opening).filter(|r| heavy(r)).map(|remark| remark_row(place(file, remark), file, 1, remark)));
        security.extend(opening.iter().map(|remark| remark_row(place(file, remark), file, 1, remark)));
    }
    large.sort_by_key(|row| std::cmp::Reverse(row.detail["rows"].as_u64()));
    let left_out: Vec<String> = lint::LEFT_OUT.iter().map(ToString::to_string).collect();
    let parameters = json!({
        "left out": left_out, "suppressed": config.suppress, "looked at": coverage, "large table": config.large_table_rows,
    });
    for (code, rows) in [("migration-lint", style), ("migration-lint-large-table", large), ("migration-security-lint", security)] {
        match scripts.pending.is_empty() {
            true => pending_or_unknown(report, code, asked.clone(), scripts, rows)?,
            false => crate::steps::probe(report, code, asked.clone(), "files", parameters.clone(), rows)?,
        }
    }
    Ok(examined.used)
}

fn place(file: &str, remark: &Remark) -> String {
    format!("{file}:{}:{}", remark.place.line, remark.place.column)
}

fn remark_row(subject: String, file: &str, count: usize, first: &Remark) -> SubjectRow {
    let rule = &first.rule;
    let times = if count == 1 { String::new() } else { format!("{count} times, first ") };
    let rows = match (&first.table, first.rows) {
        (Some(table), Some(rows)) => format!(" [{table}: {rows} rows]"),
        _ => String::new(),
    };
    let observed = format!("{times}at {}: {}{rows}", place(file, first), first.message);
    let detail = json!({ "rule": rule, "count": count, "table": first.table, "rows": first.rows });
    match &first.accepted {
        None => SubjectRow::new(subject, false, format!("not {rule}"), observed).with_detail(detail),
        Some(reason) => {
            let observed = format!("{observed} (accepted: {reason})");
            SubjectRow::new(subject, true, format!("not {rule}, or accepted with a reason"), observed).with_detail(detail)
        }
    }
}

/// What the dry run took away, file by file; and the suppressions that nothing needed any more.
pub fn effects(
    cx: &Context<'_>,
    report: &mut StepReport,
    scripts: &Scripts<'_>,
    rehearsal: Option<&Rehearsal>,
    mut used: Vec<String>,
) -> Result<(), StepError> {
    let accepted = &cx.config.migrations.suppress;
    let asked = Asked::unmeasured();
    let (mut opened, mut guards, mut keys, mut stale) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let whole = rehearsal.is_some_and(|rehearsal| rehearsal.effects.len() == scripts.pending.len());
    for migration in &scripts.pending {
        let file = &migration.up.file;
        let mut inline = decode(&migration.up.bytes).map(Suppressions::read).unwrap_or_default();
        let Some(effect) = rehearsal.and_then(|rehearsal| rehearsal.effects.iter().find(|effect| effect.file == *file)) else {
            let why = "it did not run in the scratch copy";
            for (rows, expected) in
                [(&mut opened, "takes no row security away"), (&mut guards, "takes no guard away"), (&mut keys, "indexed")]
            {
                rows.push(SubjectRow::undecided(file, expected, why));
            }
            continue;
        };
        let mut row = |rule: &str, subject: String, expected: &str, observed: String| {
            let everywhere = accepted.get(rule).cloned();
            if everywhere.is_some() {
                used.push(rule.to_owned());
            }
            let detail = json!({ "rule": rule });
            match inline.accepts(rule, 0..usize::MAX).or(everywhere) {
                None => SubjectRow::new(subject, false, expected, observed).with_detail(detail),
                Some(reason) => SubjectRow::new(
                    subject,
                    true,
                    format!("{expected}, or accepted with a reason"),
                    format!("{observed} (accepted: {reason})"),
                )
                .with_detail(detail),
            }
        };
        let changes = format!("{} changes in the catalog, nothing lost", effect.changes);
        for (rows, opens, expected) in [(&mut opened, true, "takes no row security away"), (&mut guards, false, "takes no guard away")] {
            let losses = effect.losses.iter().filter(|loss| loss.opens_rows() == opens);
            let found: Vec<SubjectRow> =
                losses.map(|loss| row(loss.rule, format!("{file} {}", loss.subject), expected, loss.observed.clone())).collect();
            match found.is_empty() {
                true => rows.push(SubjectRow::new(file, true, expected, &changes)),
                false => rows.extend(found),
            }
        }
        let bare = effect.bare_keys.iter();
        let found: Vec<SubjectRow> = bare
            .map(|key| row("foreign-key-without-index", format!("{file} {key}"), "indexed", "no index begins with its columns".into()))
            .collect();
        match found.is_empty() {
            true => keys.push(SubjectRow::new(file, true, "indexed", "no new foreign key without an index")),
            false => keys.extend(found),
        }
        let of_text = |rule: &str| lint::rules::find(rule).is_none_or(|rule| rule.source != lint::rules::Source::Catalog);
        let unused = inline.remarks(of_text);
        stale.extend(
            unused
                .iter()
                .filter(|remark| remark.rule == "suppression-stale")
                .map(|remark| SubjectRow::new(place(file, remark), false, "suppresses something", &remark.message)),
        );
    }
    for (code, rows) in [("migration-keeps-row-security", opened), ("migration-keeps-guards", guards), ("migration-keys-indexed", keys)] {
        pending_or_unknown(report, code, asked.clone(), scripts, rows)?;
    }
    for (rule, reason) in accepted {
        let subject = format!("ledger.toml {rule}");
        let known = lint::rules::find(rule);
        stale.push(match (known, used.contains(rule)) {
            (None, _) => SubjectRow::new(subject, false, "a rule", "there is no rule of this name; ledger checks list shows them"),
            (_, true) => SubjectRow::new(subject, true, "suppresses something", format!("accepted: {reason}")),
            // A rule that the catalog answers may be needed by a file that did not run.
            (Some(rule), false) if rule.source == lint::rules::Source::Catalog && !whole => {
                SubjectRow::undecided(subject, "suppresses something", "not every file ran in the scratch copy")
            }
            (_, false) => SubjectRow::new(subject, false, "suppresses something", "no pending file needs it: take the line away"),
        });
    }
    crate::steps::probe(report, "suppressions-used", asked, "files", serde_json::Value::Null, stale)
}

/// Down scripts that undo nothing.
pub fn down_undoes(report: &mut StepReport, scripts: &Scripts<'_>, rehearsal: Option<&Rehearsal>) -> Result<(), StepError> {
    let expected = "undoes what its way up did";
    let mut rows = Vec::new();
    for migration in &scripts.pending {
        let Some(down) = &migration.down else { continue };
        let survey = crate::migrate::split::Survey::of(&down.bytes);
        if survey.statements == 0 && survey.refusals.is_empty() {
            let observed = "a way down that does nothing: no statement in it. Write what undoes the file, or remove this one, so that the way back is \
                            known to be the backup";
            rows.push(SubjectRow::new(&down.file, false, expected, observed));
            continue;
        }
        let up = rehearsal.and_then(|r| r.effects.iter().find(|effect| effect.file == migration.up.file));
        let back = rehearsal.and_then(|r| r.undone.iter().find(|effect| effect.file == down.file));
        rows.push(match (up, back) {
            (Some(up), Some(back)) if up.changes > 0 && back.changes == 0 => {
                let observed = format!("a way down that does nothing: the way up changed {} objects of the catalog, this none", up.changes);
                SubjectRow::new(&down.file, false, expected, observed)
            }
            (Some(up), Some(back)) => {
                let observed =
                    format!("{} changes in the catalog up, {} down; what is left is judged by the rollback task", up.changes, back.changes);
                SubjectRow::new(&down.file, true, expected, observed)
            }
            _ => SubjectRow::undecided(&down.file, expected, "it did not run in the scratch copy"),
        });
    }
    pending_or_unknown(report, "down-undoes", Asked::unmeasured(), scripts, rows)
}
