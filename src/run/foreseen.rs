//! What `ledger.toml` leaves unsaid, so that a later task cannot answer: known before anything is executed, and worth knowing then,
//! since the file is a part of the run. Who completes it afterwards opens a new run, and finds nothing pending.

use crate::config::Config;
use crate::domain::plan::{StepKind, Task};

/// Task, and what would let it answer, in the order of `tasks`. Only what the file alone decides: the catalog may hold further surprises.
pub fn unsaid<'a>(config: &Config, tasks: impl IntoIterator<Item = &'a Task>) -> Vec<String> {
    let missing = |task: &Task| match task.uses {
        StepKind::RowSecurity => {
            let none = config.checks.folders.is_empty() && task.suites.is_empty() && config.checks.no_isolation_tests.is_none();
            none.then_some("isolation-tests: [checks] folders, or no-isolation-tests")
        }
        StepKind::ForeignKeys => {
            let none = config.foreign_keys.expected.is_empty() && config.foreign_keys.none_expected.is_none();
            none.then_some("fk-expected: [foreign-keys] expected, or none-expected")
        }
        StepKind::Integrity => {
            let none = config.integrity.linkages.is_empty() && config.integrity.no_linkage.is_none();
            none.then_some("linkage: [[integrity.linkage]], or no-linkage")
        }
        StepKind::Performance => config.performance.workload.is_none().then_some("benchmark-regression: [performance] workload"),
        _ => None,
    };
    tasks.into_iter().filter_map(|task| Some(format!("{} {}", task.id, missing(task)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Preset;

    fn of(preset: Preset, edits: &[(&str, &str)]) -> Vec<String> {
        let text = edits.iter().fold(preset.text(), |text, (from, to)| {
            assert!(text.contains(from), "no {from}");
            text.replacen(from, to, 1)
        });
        let config = Config::parse(text.as_bytes(), Path::new("ledger.toml")).unwrap();
        unsaid(&config, &config.plan.tasks)
    }

    #[test]
    fn a_fresh_file_leaves_four_answers_out_and_each_can_be_given() {
        let fresh = of(Preset::Plain, &[]);
        let codes: Vec<&str> = fresh.iter().filter_map(|line| line.split([' ', ':']).nth(1)).collect();
        assert_eq!(codes, ["isolation-tests", "fk-expected", "linkage", "benchmark-regression"]);
        let given = [
            ("# no-isolation-tests = \"why\"", "no-isolation-tests = \"none yet\""),
            ("# none-expected = \"why\"", "none-expected = \"none\""),
            ("# no-linkage = \"why\"", "no-linkage = \"none\""),
            ("# workload = ", "workload = "),
        ];
        for (index, edit) in given.iter().enumerate() {
            let left = of(Preset::Plain, std::slice::from_ref(edit));
            assert_eq!(left, fresh.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| line.clone()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_reference_application_leaves_nothing_out() {
        assert_eq!(of(Preset::Contracts, &[]), Vec::<String>::new());
    }
}
