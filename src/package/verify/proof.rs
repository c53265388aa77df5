//! Verification of one entry's proof: its form, the entry, the path to the checkpoint's root, and who signed the checkpoint.

use std::path::Path;

use super::{Options, StageResult, Verification};
use crate::chain::{Fault, Proof};
use crate::package::Problem;
use crate::package::signatures::{SignatureFact, standing};
use crate::sign::{Namespace, sshsig};

const STAGES: [&str; 3] = ["entry", "anchors", "signatures"];
/// Longest proof, bytes.
const LONGEST: u64 = 1024 * 1024;

/// The bytes of a file that begins as a proof does: canonical JSON of an object. `None`: something else.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    use std::io::Read;
    let io = |e: std::io::Error| Problem::io(path, &e);
    let meta = std::fs::metadata(path).map_err(io)?;
    if !meta.is_file() {
        return Ok(None);
    }
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut first = [0; 2];
    let n = file.read(&mut first).map_err(io)?;
    if first[..n] != *b"{\"" {
        return Ok(None);
    }
    let mut bytes = first.to_vec();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

/// Verifies a proof. The most that an unsigned one can say, without an anchor of its size, is INTEGRITY-ONLY.
pub(super) fn verify(bytes: &[u8], options: &Options) -> Verification {
    let mut found = Verification::unlooked("proof", &STAGES);
    let ended = stages(bytes, options, &mut found);
    found.verdict = match ended {
        Ok(true) => "VERIFIED".into(),
        Ok(false) => "INTEGRITY-ONLY".into(),
        Err(fault) => {
            let word = fault.word.clone();
            if let Some(stage) = found.stages.iter_mut().find(|(_, result)| *result == StageResult::NotReached) {
                stage.1 = StageResult::Fault(fault);
            }
            word
        }
    };
    found
}

/// Whether somebody vouches for the checkpoint: a trusted signature, or an anchor that says the same.
fn stages(bytes: &[u8], options: &Options, found: &mut Verification) -> Result<bool, Fault> {
    let Some(proof) = Proof::parse(bytes) else {
        return Err(Fault::new("MALFORMED-PROOF", "not a proof of an entry in its one form"));
    };
    let raw = proof.check()?;
    let (seq, size, root) = (proof.seq, proof.checkpoint.size, proof.checkpoint.root);
    (found.ledger_id, found.size, found.root, found.run) = (Some(proof.ledger_id), size, Some(root), raw.run.map(str::to_owned));
    found.stages[0].1 = StageResult::Holds(format!("entry {seq}, {}, is one of the {size} that the checkpoint covers", raw.kind.as_str()));

    let mut vouched = false;
    if let Some((id, run)) = &options.expect
        && (*id != proof.ledger_id || run.as_deref().is_some_and(|run| raw.run != Some(run)))
    {
        return Err(Fault::new("WRONG-LEDGER", "this is not the ledger or run that you expect"));
    }
    for anchor in &options.anchors {
        if anchor.ledger_id != proof.ledger_id {
            return Err(Fault::new("WRONG-LEDGER", "an anchor is another ledger's"));
        }
        match anchor.size == size {
            true if anchor.root != root => {
                return Err(Fault::new("REWRITTEN", format!("an anchor holds another root of the first {size} entries")));
            }
            true => vouched = true,
            false => found.findings.push(format!("an anchor over {} entries says nothing about a proof over {size}", anchor.size)),
        }
    }
    if let Some((wanted, head)) = options.expect_head {
        if wanted.is_some_and(|wanted| wanted != size) || head.is_some_and(|head| head != root) {
            return Err(Fault::new("REWRITTEN", "you expect another size or root than the checkpoint's"));
        }
        vouched |= head.is_some();
    }
    found.stages[1].1 =
        StageResult::Holds(if vouched { "the checkpoint is one that others held" } else { "none of its size given" }.into());

    let Some(signature) = &proof.signature else {
        if options.signers.is_some() && !vouched {
            return Err(Fault::new("UNSIGNED(checkpoint)", "nobody signed the checkpoint, and no anchor of its size was given"));
        }
        found.stages[2].1 = StageResult::Holds("the checkpoint carries none".into());
        return Ok(vouched);
    };
    let file = "checkpoint";
    let key = sshsig::verify(signature.as_bytes(), Namespace::Checkpoint, proof.checkpoint.text().as_bytes())
        .map_err(|error| Fault::new(format!("BAD-SIGNATURE({file})"), error.to_string()))?;
    let principal = match options.signers {
        Some(_) => standing(options, file, &key, Namespace::Checkpoint, &options.time())?,
        None => None,
    };
    let namespace = Namespace::Checkpoint.as_str();
    let trusted = principal.is_some();
    found.signatures.push(SignatureFact { file: file.into(), namespace, fingerprint: key.fingerprint(), principal });
    found.stages[2].1 =
        StageResult::Holds(if trusted { "by a key that is trusted for it" } else { "nothing is said about who signed" }.into());
    Ok(trusted || vouched)
}
