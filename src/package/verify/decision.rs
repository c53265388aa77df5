//! The stage of the decision: no fault, but the word that matters.

use super::{EntryFacts, EntryType, Placed, Problem, Verifier, contents, fault};
use crate::sign::decision::Policy;
use crate::sign::{Decision, evaluate};

impl Verifier<'_, '_> {
    pub(super) fn check_decision(&mut self) -> Result<String, Problem> {
        if self.run.is_empty() {
            return Ok("no run yet".into());
        }
        let n = contents::cut(&self.outlines(), &self.run);
        for entry in self.entries.iter().filter(|e| e.outline.run.as_deref() == Some(self.run.as_str())) {
            if matches!(entry.outline.kind, EntryType::RunOpened | EntryType::TaskStarted | EntryType::TaskResult | EntryType::Note) {
                self.workers.principals.insert(entry.actor.clone());
            }
        }
        if self.options.signers.is_none() {
            return Ok(format!("{} sign-offs; not judged without your allowed_signers", self.signoffs.len()));
        }
        let decision = match self.policy()? {
            Some((policy, max_age_hours)) => {
                self.limit_age(max_age_hours);
                evaluate(n, &self.signoffs, &self.workers, &policy, &self.at)
            }
            // Erased: nobody can say what the policy was, so nothing meets it.
            None => Decision::Missing("policy".into()),
        };
        let note = decision.to_string();
        self.decision = Some(decision);
        Ok(note)
    }

    /// The policy of the run's own ledger.toml: it can only add to what always holds. `None`: the file was erased.
    fn policy(&self) -> Result<Option<(Policy, i64)>, Problem> {
        let of_run = |p: &&Placed| {
            p.part.path.as_deref() == Some("trust/ledger.toml")
                && usize::try_from(p.seq)
                    .ok()
                    .and_then(|i| self.entries.get(i))
                    .is_some_and(|e| e.outline.run.as_deref() == Some(self.run.as_str()))
        };
        let Some(placed) = self.placed.iter().find(of_run) else { return Ok(Some((Policy::default(), 0))) };
        let Some(bytes) = self.held.part_bytes(placed)? else { return Ok(None) };
        let table: Option<toml::Table> = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        let Some(table) = table else { return fault(format!("MALFORMED({})", placed.seq), format!("{} is not TOML", placed.path)) };
        let number = |name: &str| table.get("policy").and_then(|p| p.get(name)).and_then(toml::Value::as_integer);
        let sign_offs = u32::try_from(number("sign-offs").unwrap_or(1)).unwrap_or(u32::MAX);
        Ok(Some((Policy { sign_offs }, number("evidence-max-age-hours").unwrap_or(0))))
    }

    /// A sign-off made when the evidence it is over was older than the policy allows has expired.
    fn limit_age(&mut self, hours: i64) {
        let Some(most) = chrono::Duration::try_hours(hours).filter(|_| hours > 0) else { return };
        let time = |ts: &str| chrono::DateTime::parse_from_rfc3339(ts).ok();
        for signoff in &mut self.signoffs {
            let of_run = |e: &&EntryFacts| e.outline.run.as_deref() == Some(self.run.as_str()) && e.outline.seq < signoff.size;
            let last = self.entries.iter().rev().find(of_run).and_then(|e| time(&e.ts));
            let decided = usize::try_from(signoff.seq).ok().and_then(|i| self.entries.get(i)).and_then(|e| time(&e.ts));
            let limit = last.and_then(|last| last.checked_add_signed(most));
            if let (Some(limit), Some(decided)) = (limit, decided)
                && decided > limit
            {
                let limit = limit.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
                signoff.valid_until = Some(signoff.valid_until.take().map_or(limit.clone(), |until| until.min(limit)));
            }
        }
    }
}
