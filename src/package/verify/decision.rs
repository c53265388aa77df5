//! The stage of the decision: no fault, but the word that matters.

use std::collections::{BTreeMap, BTreeSet};

use super::{EntryFacts, Placed, Problem, Verifier, contents, fault};
use crate::sign::decision::Policy;
use crate::sign::{Decision, evaluate};

/// Longest ledger.toml, bytes: readers of TOML take many times its size in memory.
const POLICY_MAX: u64 = 1024 * 1024;

impl Verifier<'_, '_> {
    pub(super) fn check_decision(&mut self) -> Result<String, Problem> {
        if self.run.is_empty() {
            return Ok("no run yet".into());
        }
        let n = contents::cut(&self.entries, &self.run);
        for entry in self.entries.iter().filter(|e| e.outline.run.as_deref() == Some(self.run.as_str())) {
            self.workers.principals.extend(entry.actor.clone());
        }
        if self.options.signers.is_none() {
            return Ok(format!("{} sign-offs; not judged without your allowed_signers", self.signoffs.len()));
        }
        let decision = match self.policy()? {
            Some(rules) => {
                self.limit_age(&rules);
                self.keep_apart(&rules);
                let policy = Policy { sign_offs: rules.sign_offs, missing: self.missing(&rules) };
                evaluate(n, &self.signoffs, &self.workers, &policy, &self.at)
            }
            // Erased: nobody can say what the policy was, so nothing meets it.
            None => Decision::Missing("policy".into()),
        };
        let note = decision.to_string();
        self.decision = Some(decision);
        Ok(note)
    }

    /// The run's own `ledger.toml`.
    pub(super) fn policy_part(&self) -> Option<&Placed> {
        self.placed.iter().find(|p| {
            p.part.path.as_deref() == Some("trust/ledger.toml")
                && usize::try_from(p.seq)
                    .ok()
                    .and_then(|i| self.entries.get(i))
                    .is_some_and(|e| e.outline.run.as_deref() == Some(self.run.as_str()))
        })
    }

    /// The policy of the run's own ledger.toml: it can only add to what always holds. `None`: the file was erased.
    fn policy(&self) -> Result<Option<Rules>, Problem> {
        let Some(placed) = self.policy_part() else { return Ok(Some(Rules::default())) };
        let Some(bytes) = self.held.part_bytes(placed, POLICY_MAX)? else { return Ok(None) };
        let table: Option<toml::Table> = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        let Some(table) = table else { return fault(format!("MALFORMED({})", placed.seq), format!("{} is not TOML", placed.path)) };
        Ok(Some(Rules::of(&table)))
    }

    /// The first role, in byte order, under which fewer principals have signed for this run than the policy wants.
    fn missing(&self, rules: &Rules) -> Option<String> {
        let signed = |role: &str| {
            let of_role = self.signed.iter().filter(|(namespace, ..)| namespace.as_str().strip_suffix("@ledger") == Some(role));
            of_role.filter_map(|(_, principal, _)| principal.as_deref()).collect::<BTreeSet<_>>().len()
        };
        rules.required.iter().find(|(role, wanted)| signed(role) < **wanted as usize).map(|(role, _)| role.clone())
    }

    /// Whoever signed under these roles for this run took part in the work.
    fn keep_apart(&mut self, rules: &Rules) {
        for (namespace, principal, key) in &self.signed {
            if namespace.as_str().strip_suffix("@ledger").is_some_and(|role| rules.apart_from.contains(role)) {
                self.workers.principals.extend(principal.clone());
                self.workers.keys.insert(*key);
            }
        }
    }

    /// A sign-off made when the evidence it is over was older than the policy allows has expired; so has one that is itself too old.
    fn limit_age(&mut self, rules: &Rules) {
        let time = |ts: &str| chrono::DateTime::parse_from_rfc3339(ts).ok();
        let hours = |n: i64| chrono::Duration::try_hours(n).filter(|_| n > 0);
        for signoff in &mut self.signoffs {
            let of_run = |e: &&EntryFacts| e.outline.run.as_deref() == Some(self.run.as_str()) && e.outline.seq < signoff.size;
            let last = self.entries.iter().rev().find(of_run).and_then(|e| time(e.ts()));
            let decided = usize::try_from(signoff.seq).ok().and_then(|i| self.entries.get(i)).and_then(|e| time(e.ts()));
            let Some(decided) = decided else { continue };
            let after =
                |from: Option<_>, most| from.zip(hours(most)).and_then(|(from, most)| chrono::DateTime::checked_add_signed(from, most));
            let stale = after(last, rules.evidence_max_age_hours).filter(|limit| decided > *limit);
            let aged = after(Some(decided), rules.decision_max_age_hours);
            for limit in [stale, aged].into_iter().flatten() {
                let limit = limit.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
                signoff.valid_until = Some(signoff.valid_until.take().map_or(limit.clone(), |until| until.min(limit)));
            }
        }
    }
}

/// `[policy]` of ledger.toml, as far as the decision goes.
struct Rules {
    sign_offs: u32,
    evidence_max_age_hours: i64,
    decision_max_age_hours: i64,
    /// Role without `@ledger`, and how many principals must have signed under it.
    required: BTreeMap<String, u32>,
    apart_from: BTreeSet<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(&toml::Table::new())
    }
}

impl Rules {
    fn of(table: &toml::Table) -> Self {
        let member = |name: &str| table.get("policy").and_then(|policy| policy.get(name));
        let count = |value: &toml::Value| value.as_integer().map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let number = |name: &str| member(name).and_then(toml::Value::as_integer).unwrap_or(0);
        Self {
            sign_offs: member("sign-offs").and_then(count).unwrap_or(1),
            evidence_max_age_hours: number("evidence-max-age-hours"),
            decision_max_age_hours: number("decision-max-age-hours"),
            required: member("required")
                .and_then(toml::Value::as_table)
                .map(|table| table.iter().filter_map(|(role, n)| Some((role.clone(), count(n)?))).collect())
                .unwrap_or_default(),
            apart_from: member("apart-from")
                .and_then(toml::Value::as_array)
                .map(|roles| roles.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
        }
    }
}
