//! The stages of head and anchors: is this the history that it says it is, and the one that others know?

use super::{Checkpoint, EntryFacts, EntryType, Manifest, Outline, Placed, Problem, Stamp, Verifier, contents, fault, place};
use crate::chain::{Hash, LedgerId};
use crate::sign::decision::to_microseconds;
use crate::sign::stamp::{self, StampError};

impl Verifier<'_, '_> {
    pub(super) fn check_head(&mut self) -> Result<String, Problem> {
        let size = self.tree.size();
        let entries = &self.entries;
        let note = if self.is_package() {
            let Some(manifest) = self.manifest.take() else {
                self.held.small("manifest.json")?;
                return fault("EDITED(manifest.json)", "manifest.json is missing or not of its one form");
            };
            self.run.clone_from(&manifest.run);
            self.check_manifest(&manifest)?;
            for (name, _) in self.held.files()? {
                if name.starts_with("ledger/checkpoints/") {
                    self.check_checkpoint_file(&name)?;
                }
            }
            format!("size {size} and root as the manifest says")
        } else {
            let newest = entries.iter().map(|e| &e.outline).rev().find(|e| e.kind == EntryType::RunOpened).and_then(|e| e.run.clone());
            self.run = self.options.run.clone().or(newest).unwrap_or_default();
            if self.options.run.is_some() && contents::end(entries, &self.run) == 0 {
                return fault("WRONG-LEDGER", format!("this ledger has no run {}", self.run));
            }
            format!("size {size}; only an anchor shows that nothing was cut off")
        };
        if let Some((id, run)) = &self.options.expect
            && (*id != self.id
                || run.as_ref().is_some_and(|run| contents::end(entries, run) == 0 || (self.is_package() && *run != self.run)))
        {
            return fault("WRONG-LEDGER", "this is not the ledger or run that you expect");
        }
        self.placed = if self.is_package() { place(entries, &self.run) } else { all_parts(entries) };
        for (index, placed) in self.placed.iter().enumerate().filter(|(_, placed)| placed.kind == EntryType::Published) {
            let entry = usize::try_from(placed.seq).ok().and_then(|seq| entries.get(seq));
            if let Some((size, _)) = entry.and_then(|entry| entry.published) {
                self.published.entry(size).or_default().push(index);
            }
        }
        Ok(note)
    }

    fn check_manifest(&self, manifest: &Manifest) -> Result<(), Problem> {
        let size = self.tree.size();
        if manifest.ledger_id != self.id {
            return fault("WRONG-LEDGER", "the manifest is another ledger's");
        }
        if manifest.size > size {
            return fault("TRUNCATED", format!("the manifest speaks of {} entries; {size} are here", manifest.size));
        }
        let (n, t) = (contents::cut(&self.entries, &manifest.run), contents::end(&self.entries, &manifest.run));
        if n == 0 {
            return fault("WRONG-LEDGER", format!("the entries have no run {}", manifest.run));
        }
        if (manifest.size, manifest.cut.0) != (t, n) || t != size {
            return fault(
                "EDITED(manifest.json)",
                format!("the run's state is {n} and its last entry {}; the manifest says otherwise", t - 1),
            );
        }
        if self.tree.root_at(t) != Some(manifest.root) || self.tree.root_at(n) != Some(manifest.cut.1) {
            return fault("REWRITTEN", "the entries have another root than the manifest says");
        }
        Ok(())
    }

    /// A copy of the same ledger may be longer or shorter, but not another one.
    fn same_history(&self, id: LedgerId, leaves: &[Hash]) -> Result<(), Problem> {
        if id != self.id {
            return fault("WRONG-LEDGER", "what this is compared with is another ledger");
        }
        let differs = (0u64..).zip(leaves).find(|(seq, leaf)| self.tree.leaf(*seq).is_some_and(|here| here != *leaf));
        match differs {
            None => Ok(()),
            Some((seq, _)) => {
                fault(format!("FORKED({seq})"), format!("the other copy has another entry {seq}: two histories of one ledger"))
            }
        }
    }

    /// What this user has seen of the ledger before. A package ends with its run, so a shorter one than was seen is no older copy.
    fn not_rolled_back(&self, size: u64, root: Hash) -> Result<(), Problem> {
        match self.tree.root_at(size) {
            Some(here) if here != root => fault("REWRITTEN", format!("you have seen another root of the first {size} entries before")),
            None if !self.is_package() => {
                fault("ROLLED-BACK", format!("you have seen {size} entries of this ledger before; {} are here", self.tree.size()))
            }
            _ => Ok(()),
        }
    }

    fn check_checkpoint_file(&self, name: &str) -> Result<(), Problem> {
        let text = self.held.text(name)?;
        let Some(checkpoint) = Checkpoint::parse(&text).filter(|c| *name == format!("ledger/checkpoints/{}", c.size)) else {
            return fault(format!("EDITED({name})"), format!("{name} is not a checkpoint of its size"));
        };
        self.on_this_history(name, checkpoint.ledger_id, checkpoint.size, checkpoint.root)
    }

    fn on_this_history(&self, what: &str, id: LedgerId, size: u64, root: Hash) -> Result<(), Problem> {
        if id != self.id {
            return fault("WRONG-LEDGER", format!("{what} is another ledger's"));
        }
        match self.tree.root_at(size) {
            None => fault("TRUNCATED", format!("{what} knows {size} entries; {} are here", self.tree.size())),
            Some(here) if here != root => fault("REWRITTEN", format!("{what} holds another root of the first {size} entries")),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn check_anchors(&mut self) -> Result<String, Problem> {
        for anchor in &self.options.anchors {
            self.on_this_history("an anchor", anchor.ledger_id, anchor.size, anchor.root)?;
        }
        let mut heads = self.options.anchors.len();
        if let Some((size, root)) = self.options.expect_head {
            let size = size.unwrap_or_else(|| self.tree.size());
            match (self.tree.root_at(size), root) {
                (None, _) => return fault("TRUNCATED", format!("you expect {size} entries; {} are here", self.tree.size())),
                (Some(here), Some(root)) if here != root => {
                    return fault("REWRITTEN", format!("you expect another root of the first {size} entries"));
                }
                _ => heads += 1,
            }
        }
        if let Some((id, leaves)) = &self.options.against {
            self.same_history(*id, leaves)?;
            heads += 1;
        }
        if let Some((size, root)) = self.options.known {
            self.not_rolled_back(size, root)?;
        }
        heads += self.check_stamps()?;
        Ok(match heads {
            0 => "none given: a chain alone cannot show that nothing was cut off or rewritten as a whole".into(),
            n => format!("{n} heads that others held are on this history"),
        })
    }
}

impl Verifier<'_, '_> {
    /// Time stamps of heads that lie in here, by authorities that the verifier trusts. How many hold.
    fn check_stamps(&mut self) -> Result<usize, Problem> {
        let stamps = self.held.stamps()?;
        let Some(authorities) = &self.options.tsa_ca else {
            if !stamps.is_empty() {
                self.findings
                    .push(format!("time stamps kept: {}, not examined without certificates of their authorities (--tsa-ca)", stamps.len()));
            }
            return Ok(0);
        };
        for (file, size, reply) in stamps {
            let Some(root) = self.tree.root_at(size) else {
                return fault("TRUNCATED", format!("{file} stamps a head of {size} entries; {} are here", self.tree.size()));
            };
            let text = Checkpoint { ledger_id: self.id, size, root }.text();
            match stamp::verified(text.as_bytes(), &reply, authorities) {
                Ok(time) => self.stamps.push(Stamp { file, size, time: time.format("%Y-%m-%dT%H:%M:%SZ").to_string() }),
                Err(StampError::DoesNotHold(why)) => {
                    return fault(
                        format!("BAD-TIMESTAMP({file})"),
                        format!("by the certificates that you gave, {file} does not hold: {why}"),
                    );
                }
                Err(error) => return Err(Problem::Io(error.to_string())),
            }
        }
        if self.stamps.is_empty() {
            self.findings.push("no time stamp is kept here".into());
        }
        Ok(self.stamps.len())
    }

    /// When entry `seq` was there at the latest: the earliest time stamp of a head that covers it, where that is before the verifier's time.
    pub(in crate::package) fn stamped(&self, seq: u64) -> Option<&str> {
        let earliest = self.stamps.iter().filter(|stamp| stamp.size > seq).map(|stamp| stamp.time.as_str()).min()?;
        (to_microseconds(earliest) < to_microseconds(&self.at)).then_some(earliest)
    }
}

/// A ledger's parts: all of them, under the names that they would have in a package of their run.
fn all_parts(entries: &[EntryFacts]) -> Vec<Placed> {
    let each = |entry: &Outline| {
        let (seq, kind) = (entry.seq, entry.kind);
        entry.parts.iter().map(move |part| Placed { seq, kind, part: part.clone(), path: part.package_path(seq) }).collect::<Vec<_>>()
    };
    entries.iter().map(|entry| &entry.outline).flat_map(each).collect()
}
