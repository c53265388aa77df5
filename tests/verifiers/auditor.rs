//! VERIFY.md as an auditor follows it: its commands verbatim, with nothing in PATH but what they name.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use migration_ledger::chain::EntryType;
use migration_ledger::package::write::VERIFIER;
use migration_ledger::sign::{Namespace, sshsig};

use crate::scene::*;

/// Programs of bash, coreutils, diffutils, findutils, openssh-client and python3 that the commands name; nothing else is in PATH.
const PROGRAMS: [&str; 8] = ["bash", "cut", "diff", "find", "mkdir", "sha256sum", "sort", "ssh-keygen"];

struct Auditor {
    scene: Scene,
    zip: PathBuf,
    good: BTreeMap<String, Vec<u8>>,
    bin: tempfile::TempDir,
}

impl Auditor {
    fn of(scene: Scene) -> Self {
        let bin = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for program in PROGRAMS {
            let real = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
            symlink(real.unwrap_or_else(|| panic!("{program} is installed")), bin.path().join(program)).unwrap();
        }
        // The interpreter itself: `python3` in PATH may be a script that needs others.
        let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        symlink(String::from_utf8(python.stdout).unwrap().trim(), bin.path().join("python3")).unwrap();
        // Says which command ended the script, without a change to the script.
        std::fs::write(bin.path().join("env"), "trap 'echo \"AT: $BASH_COMMAND\" >&2' ERR\n").unwrap();
        let folder = scene.folder.path().to_owned();
        std::fs::write(folder.join("allowed_signers"), signers().signers().iter().map(|s| s.line() + "\n").collect::<String>()).unwrap();
        std::fs::write(folder.join("revoked_keys"), "").unwrap();
        std::fs::write(folder.join("verify.py"), VERIFIER).unwrap();
        let zip = scene.pack();
        let good = unpack(&zip);
        Self { scene, zip, good, bin }
    }

    fn folder(&self) -> &Path {
        self.scene.folder.path()
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.zip.display()))
    }

    /// Runs the commands of the package's own VERIFY.md. `Ok`, or the command that ended them and all that was printed.
    fn follow(&self, without_verify_py: bool) -> Result<String, (String, String)> {
        let _ = std::fs::remove_dir_all(self.folder().join("x"));
        let text = String::from_utf8(self.good["VERIFY.md"].clone()).unwrap();
        let script = text.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
        let kept: String = script.split_inclusive('\n').filter(|line| !(without_verify_py && line.contains("verify.py"))).collect();
        assert!(without_verify_py || kept == script, "verbatim");
        let run = Command::new(self.bin.path().join("bash"))
            .args(["-c", &kept])
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", self.bin.path())
            .env("BASH_ENV", self.bin.path().join("env"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        if run.status.success() {
            return Ok(said);
        }
        let at = said.lines().rev().find_map(|line| line.strip_prefix("AT: ")).unwrap_or_default().to_owned();
        Err((at, said))
    }

    /// Asserts that the commands end at the one that begins so, with a word in what was printed.
    fn fails_at(&self, case: &str, command: &str, word: &str, without_verify_py: bool) {
        match self.follow(without_verify_py) {
            Ok(said) => panic!("{case} passed: {said}"),
            Err((at, said)) => {
                assert!(at.starts_with(command), "{case} ended at {at:?}, not at {command}: {said}");
                assert!(said.contains(word), "{case} does not say {word}: {said}");
            }
        }
        repack(&self.zip, &self.good, true, OPS);
        std::fs::write(self.folder().join("revoked_keys"), "").unwrap();
    }
}

#[test]
fn a_good_package_passes_and_bad_ones_fail_at_the_stated_step() {
    let auditor = Auditor::of(Scene::approved());
    let said = auditor.follow(false).unwrap();
    assert!(said.contains("VERIFIED  package") && said.contains("decision  APPROVED"), "{said}");
    assert!(said.matches("Good \"").count() == 2, "the package's and the sign-off's signature: {said}");
    auditor.follow(true).unwrap();
    let zip = auditor.zip.clone();
    let archive = std::fs::read(&zip).unwrap();
    let text = |name: &str| String::from_utf8(auditor.good[name].clone()).unwrap();
    let changed = |name: &str, bytes: Vec<u8>, sums: bool| {
        let mut files = auditor.good.clone();
        files.insert(name.into(), bytes);
        repack(&zip, &files, sums, OPS);
    };
    let (package, python, sums, signoff) = (
        "ssh-keygen -Y verify -f allowed_signers",
        "python3 -I verify.py",
        "sha256sum --strict --quiet",
        "ssh-keygen -Y verify -f ../allowed_signers",
    );

    // 1. The digest file names another file.
    let digest = std::fs::read_to_string(auditor.beside(".sha256")).unwrap();
    std::fs::write(auditor.beside(".sha256"), digest.replace("  ", "  /tmp/")).unwrap();
    auditor.fails_at("digest of another file", "[[", "", false);
    // 2. One byte of the archive.
    let mut bytes = archive.clone();
    bytes[archive.len() / 2] ^= 1;
    std::fs::write(&zip, &bytes).unwrap();
    auditor.fails_at("a changed archive", "sha256sum --strict -c", "FAILED", false);
    // 3. to 6. Who signed the package, for what, and is the key still good?
    seal(&zip, &archive, STRANGER);
    auditor.fails_at("a stranger's package", package, "", false);
    seal(&zip, &archive, CTO);
    auditor.fails_at("a package signed in another role", package, "", false);
    let sha256 = std::fs::read(auditor.beside(".sha256")).unwrap();
    std::fs::write(auditor.beside(".sig"), sshsig::sign(&key(OPS), Namespace::Task, &sha256)).unwrap();
    auditor.fails_at("a signature for another purpose", package, "", false);
    std::fs::write(auditor.folder().join("revoked_keys"), format!("ssh-ed25519 {}\n", key(OPS).public().to_base64())).unwrap();
    auditor.fails_at("a revoked key", package, "", false);
    // 7. to 11. By somebody who may sign packages: everything fits but the entries.
    let entries = text("ledger/entries.jsonl");
    let last = entries.trim_end().rfind('\n').unwrap();
    changed("ledger/entries.jsonl", entries.as_bytes()[..=last].to_vec(), true);
    auditor.fails_at("the last entry cut off", python, "TRUNCATED", false);
    changed("ledger/entries.jsonl", entries.replacen("\"outcome\":\"pass\"", "\"outcome\":\"fail\"", 1).into_bytes(), true);
    auditor.fails_at("an edited entry", python, "EDITED(3)", false);
    changed("evidence/3-log.txt", b"forged".to_vec(), true);
    auditor.fails_at("forged evidence under fresh sums", python, "EDITED(evidence/3-log.txt)", false);
    changed("report/READINESS.md", b"forged".to_vec(), true);
    auditor.fails_at("a forged report under fresh sums", python, "REPORT-MISMATCH(report/READINESS.md)", false);
    seal(&zip, &[archive.clone(), archive.clone()].concat(), OPS);
    auditor.fails_at("two archives in one", python, "MALFORMED-ARCHIVE", false);
    // 12. to 15. Stock tools alone find these as well.
    changed("report/READINESS.md", b"forged".to_vec(), false);
    auditor.fails_at("a swapped file", sums, "READINESS.md", true);
    changed("evidence/more.txt", b"x".to_vec(), false);
    auditor.fails_at("an added file", "diff", "more.txt", true);
    let mut files = auditor.good.clone();
    files.remove("evidence/3-log.txt");
    repack(&zip, &files, false, OPS);
    auditor.fails_at("a removed file", sums, "3-log.txt", true);
    files.retain(|name, _| name.contains("3-log") || !name.ends_with("-signoff.sig"));
    repack(&zip, &files, true, OPS);
    auditor.fails_at("a sign-off whose signature is gone", signoff, "", true);
    assert!(auditor.follow(false).is_ok(), "the harness puts everything back");
}

#[test]
fn an_operators_key_under_a_sign_off_is_refused_by_stock_ssh_keygen() {
    let mut scene = Scene::new();
    let n = scene.publish();
    let statement = scene.signoff(n, "cto@example.com", true);
    scene.append_signed(EntryType::Decision, Namespace::Signoff, &statement, OPS);
    let auditor = Auditor::of(scene);
    auditor.fails_at("the operator signs as the approver", "ssh-keygen -Y verify -f ../allowed_signers", "", true);
    auditor.fails_at("the operator signs as the approver", "python3 -I verify.py", "WRONG-ROLE(ops@example.com)", false);
    // And by hand, in the operator's own name: the role is the namespace.
    let mut scene = Scene::new();
    let n = scene.publish();
    let statement = scene.signoff(n, "ops@example.com", true);
    scene.append_signed(EntryType::Decision, Namespace::Signoff, &statement, OPS);
    let auditor = Auditor::of(scene);
    let folder = auditor.folder();
    std::fs::write(folder.join("s.json"), &auditor.good["sig/7-signoff.json"]).unwrap();
    std::fs::write(folder.join("s.sig"), &auditor.good["sig/7-signoff.sig"]).unwrap();
    let verify = |signers: &str| {
        let signers = folder.join(signers);
        Command::new("ssh-keygen")
            .args(["-Y", "verify", "-I", "ops@example.com", "-n", "signoff@ledger", "-s"])
            .arg(folder.join("s.sig"))
            .arg("-f")
            .arg(signers)
            .stdin(std::fs::File::open(folder.join("s.json")).unwrap())
            .output()
            .unwrap()
    };
    assert!(!verify("allowed_signers").status.success());
    let allowing =
        std::fs::read_to_string(folder.join("allowed_signers")).unwrap().replace("package@ledger", "package@ledger,signoff@ledger");
    std::fs::write(folder.join("allowing"), allowing).unwrap();
    assert!(verify("allowing").status.success(), "it is the role that was refused, not the signature");
}
