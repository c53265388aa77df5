//! What came of it: the counts, and one row per table.

use std::collections::BTreeMap;

use serde_json::json;

use super::cells::SLOW_TIMEOUT_MS;
use super::mutant::Mutant;
use super::oracle::Answer;
use super::{Grounds, Trial, Tried};
use crate::domain::SubjectRow;
use crate::domain::product::{Mutation, Survivor};

/// A mutant, what was tried, and whether it survived.
type Fate<'a> = (&'a Mutant, &'a Tried, Option<Survivor>);

impl Trial {
    /// The counts, and one row per table.
    pub fn result(&self, grounds: &Grounds) -> (Mutation, Vec<SubjectRow>) {
        let mut sum = Mutation { total: self.mutants.len() as u64, ..Mutation::default() };
        let mut rows: BTreeMap<&str, Vec<Fate<'_>>> = BTreeMap::new();
        for (mutant, tried) in self.mutants.iter().zip(&self.tried) {
            let mut survivor = None;
            if self.is_probed(tried) {
                sum.tried += 1;
                sum.by_probe += u64::from(tried.by_probe);
                sum.by_checks += u64::from(tried.by_checks);
                match tried.noticed() {
                    true => sum.noticed += 1,
                    false => {
                        let why = self.explain(&grounds.shape, &grounds.model, mutant, tried);
                        sum.explained += u64::from(why.is_some());
                        let found = Survivor {
                            table: mutant.table.clone(),
                            mutant: mutant.what.clone(),
                            explained: why.is_some(),
                            why: why.unwrap_or_else(|| Self::unexplained(tried)),
                        };
                        sum.survivors.push(found.clone());
                        survivor = Some(found);
                    }
                }
            }
            sum.tested += u64::from(tried.tested);
            sum.by_tests += u64::from(tried.by_tests);
            rows.entry(&mutant.table).or_default().push((mutant, tried, survivor));
        }
        sum.has_tests = self.tests;
        (sum, rows.into_iter().map(|(table, of)| self.row(table, &of)).collect())
    }

    /// Why nobody noticed it, where it might matter.
    fn unexplained(tried: &Tried) -> String {
        if let Some(Answer::Yes(what)) = &tried.policies {
            return format!("no cell saw a difference, though the policies let through the {what}");
        }
        match (tried.cells, tried.slow) {
            (false, _) => "its cells could not be tried: no rows of two tenants".into(),
            (_, true) => format!("its statements took longer than {SLOW_TIMEOUT_MS} ms"),
            _ if tried.policies == Some(Answer::Unknown) => "no cell saw a difference, and the policies could not be asked".into(),
            _ => "no cell and no check saw a difference".into(),
        }
    }

    fn row(&self, table: &str, of: &[Fate<'_>]) -> SubjectRow {
        const EXPECTED: &str = "every broken policy noticed";
        let tried = of.iter().filter(|(_, tried, _)| self.is_probed(tried)).count();
        if tried == 0 {
            let why = of.iter().find_map(|(_, tried, _)| tried.refused.clone()).unwrap_or_else(|| "the time was over".into());
            return SubjectRow::undecided(table, EXPECTED, format!("not tried: {why}"));
        }
        let count = |wanted: fn(&Tried) -> bool| of.iter().filter(|(_, tried, _)| wanted(tried)).count();
        let noticed = count(Tried::noticed);
        let survivors: Vec<&Survivor> = of.iter().filter_map(|(.., survivor)| survivor.as_ref()).collect();
        let open = survivors.iter().filter(|survivor| !survivor.explained).count();
        let mut said = format!("{noticed} of {tried} noticed");
        if survivors.len() > open {
            said.push_str(&format!(", {} cannot matter", survivors.len() - open));
        }
        if tried < of.len() {
            said.push_str(&format!(", {} not tried", of.len() - tried));
        }
        if let Some(first) = survivors.iter().find(|survivor| !survivor.explained) {
            said.push_str(&format!("; not noticed: {}", first.mutant));
        }
        let detail = json!({
            "by_probe": count(|t| t.by_probe),
            "by_checks": count(|t| t.by_checks),
            "by_own_tests": count(|t| t.by_tests),
            "survivors": survivors,
        });
        SubjectRow::new(table, open == 0, EXPECTED, said).with_detail(detail)
    }
}
