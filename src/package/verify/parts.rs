//! The stage of parts: every payload is what its entry commits to, or lawfully absent, and every file is explained.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lists, PartState, Problem, Verifier, fault};
use crate::package::held::{SMALL, signature_name};
use crate::package::manifest::{parse_salts, parse_withheld};
use crate::sign::AllowedSigners;

impl Verifier<'_, '_> {
    pub(super) fn check_parts(&mut self) -> Result<String, Problem> {
        if self.is_package() {
            self.read_lists()?;
            self.check_names()?;
        }
        let redacted: BTreeSet<(u64, String)> =
            self.entries.iter().filter(|e| self.is_ours(e.outline.run.as_deref())).filter_map(|e| e.outline.redacts.clone()).collect();
        let mut held = 0;
        for (placed, state) in self.placed.iter().zip(self.held.part_states(&self.placed, &self.lists, &self.committed)) {
            let path = &placed.path;
            match state? {
                PartState::Holds => held += 1,
                PartState::Differs if path.starts_with("report/") => {
                    return fault(
                        format!("REPORT-MISMATCH({path})"),
                        format!("{path} is not the report that entry {} published", placed.seq),
                    );
                }
                PartState::Differs => {
                    return fault(format!("EDITED({path})"), format!("{path} is not what entry {} commits to", placed.seq));
                }
                PartState::Withheld => self.absent.push((path.clone(), "WITHHELD")),
                PartState::Absent if redacted.contains(&(placed.seq, placed.part.name.clone())) => {
                    self.absent.push((path.clone(), "REDACTED"))
                }
                PartState::Absent if placed.path.starts_with("sig/") => {
                    return fault(format!("UNSIGNED({})", placed.seq), format!("{path} is gone"));
                }
                PartState::Absent => {
                    return fault(format!("MISSING({path})"), format!("entry {} names {path}, which is not here", placed.seq));
                }
            }
        }
        for entry in &self.entries {
            if let Some((size, root)) = entry.published
                && self.tree.root_at(size) != Some(root)
            {
                return fault(format!("REPORT-MISMATCH({})", entry.outline.seq), "a report was published over another history");
            }
        }
        self.compare_policy()?;
        self.compare_signers()?;
        Ok(format!("{held} payloads as their entries commit to{}", if self.absent.is_empty() { "" } else { ", others lawfully absent" }))
    }

    fn read_lists(&mut self) -> Result<(), Problem> {
        let order: BTreeMap<(u64, &str), usize> = self.placed.iter().enumerate().map(|(i, p)| ((p.seq, p.part.name.as_str()), i)).collect();
        let in_order = |names: &[(u64, &str)]| {
            let places: Option<Vec<usize>> = names.iter().map(|key| order.get(key).copied()).collect();
            places.is_some_and(|places| places.windows(2).all(|pair| pair[0] < pair[1]))
        };
        let text = self.held.text("ledger/salts")?;
        let salts = parse_salts(&text).filter(|s| in_order(&s.iter().map(|(seq, name, _)| (*seq, name.as_str())).collect::<Vec<_>>()));
        let Some(salts) = salts else { return fault("EDITED(ledger/salts)", "ledger/salts does not list this run's parts in entry order") };
        let text = self.held.text("ledger/withheld")?;
        let withheld = parse_withheld(&text).filter(|w| in_order(&w.iter().map(|(seq, name)| (*seq, name.as_str())).collect::<Vec<_>>()));
        let Some(withheld) = withheld else {
            return fault("EDITED(ledger/withheld)", "ledger/withheld does not list this run's parts in entry order");
        };
        self.lists = Lists {
            salts: salts.into_iter().map(|(seq, name, salt)| ((seq, name), salt)).collect(),
            withheld: withheld.into_iter().collect(),
        };
        if let Some((seq, name)) = self.lists.withheld.iter().find(|key| self.lists.salts.contains_key(*key)) {
            return fault("EDITED(ledger/withheld)", format!("{name} of entry {seq} is both there and withheld"));
        }
        Ok(())
    }

    /// Every file is explained by an entry, a row, or the layout.
    fn check_names(&self) -> Result<(), Problem> {
        let parts: BTreeSet<&str> =
            self.placed.iter().filter(|p| self.lists.salts.contains_key(&(p.seq, p.part.name.clone()))).map(|p| p.path.as_str()).collect();
        let fixed = ["VERIFY.md", "manifest.json", "SHA256SUMS", "ledger/entries.jsonl", "ledger/salts", "ledger/withheld"];
        let files = self.held.files()?;
        for (name, _) in &files {
            let known = fixed.contains(&name.as_str())
                || name == "tools/verify.py"
                || parts.contains(name.as_str())
                || name.starts_with("ledger/checkpoints/")
                || name.starts_with("ledger/anchors/")
                || signature_name(name).is_some();
            if !known {
                return fault(format!("EXTRA({name})"), format!("no entry names {name}"));
            }
        }
        let there = |wanted: &str| files.binary_search_by(|(name, _)| name.as_str().cmp(wanted)).is_ok();
        let size = self.tree.size();
        let checkpoint = format!("ledger/checkpoints/{size}");
        if let Some(missing) = fixed.into_iter().chain([checkpoint.as_str()]).find(|name| !there(name)) {
            return fault(format!("MISSING({missing})"), format!("the package has no {missing}"));
        }
        Ok(())
    }

    /// The policy that decides is the one that the run was opened with: it must be the verifier's, where the verifier brings one.
    fn compare_policy(&self) -> Result<(), Problem> {
        let Some(wanted) = &self.options.policy else { return Ok(()) };
        let held = match self.policy_part() {
            Some(placed) if placed.part.size == wanted.len() as u64 => self.held.part_bytes(placed, u64::MAX)?,
            _ => None,
        };
        match held.as_ref() == Some(wanted) {
            true => Ok(()),
            false => fault("POLICY-MISMATCH", format!("run {} was opened with another ledger.toml than yours", self.run)),
        }
    }

    /// Whether the run was opened with other signers than the verifier trusts: to be known, not a fault.
    fn compare_signers(&mut self) -> Result<(), Problem> {
        let Some(trusted) = &self.options.signers else { return Ok(()) };
        let Some(placed) = self.placed.iter().rev().find(|p| p.part.path.as_deref() == Some("trust/allowed_signers.UNTRUSTED")) else {
            return Ok(());
        };
        let theirs = match placed.part.size <= SMALL {
            true => self.held.part_bytes(placed, SMALL)?.map(|bytes| AllowedSigners::parse(&bytes)),
            false => None,
        };
        if !matches!(theirs, Some(Ok(theirs)) if theirs == *trusted) {
            self.findings.push("SIGNERS-DIFFER: the run was opened with other allowed_signers than yours".into());
        }
        Ok(())
    }
}
