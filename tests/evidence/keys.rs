//! Keys: where they lie, when they count, who took them away; and what a policy adds.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use migration_ledger::package::verify::{Options, Verification};
use migration_ledger::publish::statements::{By, key_changed};
use migration_ledger::sign::AllowedSigners;
use serde_json::Value;

use super::both;
use super::world::{PEOPLE, RUN, Ran, World, allowed_signers, key, ran};

const LEDGER: &str = "evidence/ledger.db";
const ZIP: &str = "evidence/staging_migration_20260108.zip";

fn trusting() -> Options {
    Options { signers: Some(AllowedSigners::parse(allowed_signers().as_bytes()).unwrap()), ..Options::default() }
}

/// What both verifiers say.
fn told(world: &World, path: &str, options: &Options) -> Verification {
    both::verify(&world.path().join(path), options).unwrap()
}

/// A real ssh-agent of the test's own, ended with it.
struct Agent {
    child: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(world: &World) -> Self {
        let socket = world.path().join("agent.sock");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().expect("ssh-agent");
        for _ in 0..200 {
            if socket.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { child, socket }
    }

    fn ledger(&self, world: &World, args: &[&str]) -> Ran {
        ran(world.command(env!("CARGO_BIN_EXE_ledger")).args(args).env("SSH_AUTH_SOCK", &self.socket))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_key_in_ssh_agent_signs_and_never_leaves_it() {
    let world = World::done();
    let agent = Agent::start(&world);
    let added = ran(world.command("ssh-add").arg("ops@example.com").env("SSH_AUTH_SOCK", &agent.socket));
    assert_eq!(added.code, 0, "{}", added.all());
    std::fs::remove_file(world.path().join("ops@example.com")).unwrap();
    for named in ["ops@example.com.pub", "ops@example.com"] {
        agent.ledger(&world, &["checkpoint", "--key", named, "--out", "head", "--force"]).good();
    }
    let found = world.verify(LEDGER, &[]).good();
    assert!(found.stdout.contains("sig/checkpoint.6."), "{}", found.all());
    // A key that the agent does not hold, and no agent at all.
    let absent = agent.ledger(&world, &["checkpoint", "--key", "dpo@example.com.pub"]);
    assert!(absent.code == 3 && absent.stderr.contains("does not hold") && absent.stderr.contains("ssh-add"), "{}", absent.all());
    let none = world.ledger(&["checkpoint", "--key", "ops@example.com.pub"]);
    assert!(none.code == 3 && none.stderr.contains("SSH_AUTH_SOCK is not set"), "{}", none.all());
}

#[test]
fn an_encrypted_key_takes_its_passphrase_from_a_file_or_the_agent_and_asks_nobody_without_a_terminal() {
    let world = World::done();
    let changed = ran(world.command("ssh-keygen").args(["-q", "-p", "-P", "", "-N", "open sesame", "-f", "ops@example.com"]));
    assert_eq!(changed.code, 0, "{}", changed.all());
    let refused = world.ledger(&["checkpoint", "--key", "ops@example.com"]);
    assert!(refused.code == 3 && refused.stderr.contains("is encrypted and no passphrase"), "{}", refused.all());
    world.write("wrong", "sesame\n");
    world.write("right", "open sesame\n");
    let wrong = world.ledger(&["checkpoint", "--key", "ops@example.com", "--passphrase-file", "wrong"]);
    assert!(wrong.code == 3 && wrong.stderr.contains("wrong passphrase"), "{}", wrong.all());
    world.ledger(&["checkpoint", "--key", "ops@example.com", "--passphrase-file", "right"]).good();
    let agent = Agent::start(&world);
    world.write("ask", "#!/bin/sh\necho 'open sesame'\n");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(world.path().join("ask"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut add = world.command("ssh-add");
    add.arg("ops@example.com").env("SSH_AUTH_SOCK", &agent.socket).env("SSH_ASKPASS", world.path().join("ask"));
    let added = ran(add.env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", "none"));
    assert_eq!(added.code, 0, "{}", added.all());
    agent.ledger(&world, &["checkpoint", "--size", "5", "--key", "ops@example.com"]).good();
    assert_eq!(world.verify(LEDGER, &[]).good().verdict(), "VERIFIED");
}

#[test]
fn a_revocation_takes_away_what_came_after_it_and_leaves_what_came_before() {
    let world = World::done();
    world.packed();
    let early = told(&world, ZIP, &trusting());
    assert_eq!((early.verdict.as_str(), early.decision.as_deref()), ("VERIFIED", Some("APPROVED")));
    let revoke = |who: &str, by: (&str, u8)| {
        let seed = PEOPLE.iter().find(|(name, ..)| *name == who).unwrap().2;
        let by_key = key(by.1);
        let by = By { principal: by.0, key: &by_key };
        key_changed(&mut world.store(), false, who, &key(seed).public(), &[], &by, "left the team").unwrap().seq
    };
    let gone = revoke("cto@example.com", ("sec@example.com", 5));
    let found = told(&world, LEDGER, &trusting());
    assert_eq!((found.verdict.as_str(), found.decision.as_deref()), ("VERIFIED", Some("APPROVED")), "signed before it");
    // The same key signs another decision over the same state.
    world.as_one("cto@example.com", &["sign-off", "--decision", "go", "--reason-file", "ledger.toml"]).good();
    let found = told(&world, LEDGER, &trusting());
    assert_eq!(found.verdict, format!("KEY-REVOKED(sig/{}-signoff.sig)", gone + 1));
    let listed = world.ledger(&["go-no-go", "--message-format", "json"]);
    assert!(listed.stdout.contains(&format!("KEY-REVOKED by entry {gone}")), "{}", listed.all());

    // Who may not revoke, takes nothing away and is named; without a file of trust nobody's word counts.
    let world = World::done();
    world.packed();
    let mut store = world.store();
    let by = By { principal: "lead@example.com", key: &key(4) };
    key_changed(&mut store, false, "cto@example.com", &key(1).public(), &[], &by, "mutiny").unwrap();
    store.close().unwrap();
    assert_eq!(told(&world, LEDGER, &trusting()).verdict, "WRONG-ROLE(lead@example.com)");
    assert_eq!(told(&world, LEDGER, &Options::default()).verdict, "INTEGRITY-ONLY");
}

#[test]
fn signatures_beside_the_chain_are_revoked_by_what_they_cover() {
    let world = World::done();
    world.ledger(&["checkpoint", "--key", "ops@example.com"]).good();
    let by = By { principal: "sec@example.com", key: &key(5) };
    let seq = key_changed(&mut world.store(), false, "ops@example.com", &key(2).public(), &[], &by, "lost").unwrap().seq;
    assert_eq!(told(&world, LEDGER, &trusting()).verdict, "VERIFIED", "the head it signed is older than the revocation");
    world.ledger(&["checkpoint", "--key", "ops@example.com"]).good();
    let word = told(&world, LEDGER, &trusting()).verdict;
    assert_eq!(word, format!("KEY-REVOKED(sig/checkpoint.{}.{}.sig)", seq + 1, key(2).public().id()));
}

#[test]
fn keys_commands_leave_a_file_that_stock_tools_read_and_a_signed_entry() {
    let world = World::done();
    world.write("why", "the new operator");
    world.write_key("new@example.com", 9);
    let sec = |args: &[&str]| world.as_one("sec@example.com", &[args, &["--reason-file", "why"]].concat());
    let add = ["keys", "add", "new@example.com", "--public-key", "new@example.com.pub", "--roles", "package@ledger"];
    sec(&[&add[..], &["--valid-after", "20200101000000", "--valid-before", "20300101000000"]].concat()).good();
    let listed = world.ledger(&["keys", "list"]).good();
    assert!(listed.stdout.contains("new@example.com") && listed.stdout.contains("20300101000000"), "{}", listed.all());
    assert_eq!(sec(&add).code, 3, "a key has one line");
    sec(&["keys", "revoke", "new@example.com", "--public-key", "new@example.com.pub"]).good();
    assert!(!world.ledger(&["keys", "list"]).good().stdout.contains("new@example.com"));
    assert_eq!(world.ledger(&["verify"]).good().stderr, "", "its own revoked_keys is read");
    // Stock ssh-keygen refuses what the list names; a binary list is refused here, with the way out.
    world.write("m", "message");
    let sign = ran(world.command("ssh-keygen").args(["-q", "-Y", "sign", "-n", "package@ledger", "-f", "new@example.com", "m"]));
    assert_eq!(sign.code, 0, "{}", sign.all());
    world.write("signers", format!("new@example.com namespaces=\"package@ledger\" ssh-ed25519 {}\n", key(9).public().to_base64()));
    let check = |list: &str| {
        let args = ["-Y", "verify", "-f", "signers", "-I", "new@example.com", "-n", "package@ledger", "-s", "m.sig", "-r", list];
        ran(world.command("ssh-keygen").args(args).stdin(std::fs::File::open(world.path().join("m")).unwrap())).code
    };
    world.write("nobody", "");
    assert!(check("nobody") == 0 && check("revoked_keys") != 0);
    let made = ran(world.command("ssh-keygen").args(["-q", "-k", "-f", "list.krl", "new@example.com.pub"]));
    assert_eq!(made.code, 0, "{}", made.all());
    let refused = world.verify(LEDGER, &["--revoked-keys", "list.krl"]);
    assert!(refused.code == 2 && refused.stderr.contains("binary key revocation list"), "{}", refused.all());
}

#[test]
fn keys_and_decisions_end_and_a_time_stamp_may_show_that_they_had_not() {
    let world = World::done();
    world.as_one("cto@example.com", &["sign-off", "--decision", "go", "--valid-until", "2031-01-01T00:00:00Z"]).good();
    world.pack(&[]);
    let at = |time: &str, signers: String, times: &[(&str, &str)]| {
        let times: BTreeMap<String, String> = times.iter().map(|(file, time)| ((*file).to_owned(), (*time).to_owned())).collect();
        let signers = Some(AllowedSigners::parse(signers.as_bytes()).unwrap());
        let found = told(&world, ZIP, &Options { signers, at: Some(time.into()), times, ..Options::default() });
        (found.verdict, found.decision.unwrap_or_default())
    };
    let (good, late) = ("2030-12-31T00:00:00Z", "2031-01-01T00:00:01Z");
    assert_eq!(at(good, allowed_signers(), &[]), ("VERIFIED".into(), "APPROVED".into()));
    assert_eq!(at(late, allowed_signers(), &[]), ("VERIFIED".into(), "EXPIRED".into()));
    let limited = allowed_signers().replace("\"signoff@ledger\"", "\"signoff@ledger\",valid-before=\"20300101000000Z\"");
    let file = "sig/7-signoff.sig";
    assert_eq!(at(good, limited.clone(), &[]).0, format!("KEY-EXPIRED({file})"));
    assert_eq!(at(good, limited.clone(), &[(file, "2029-01-01T00:00:00Z")]), ("VERIFIED".into(), "APPROVED".into()));
    assert_eq!(at(good, limited, &[("sig/other.sig", "2029-01-01T00:00:00Z")]).0, format!("KEY-EXPIRED({file})"));
    let said = world.verify(ZIP, &["--at", good, "--time", &format!("{file}=2029-01-01T00:00:00Z")]).good();
    assert_eq!(serde_json::from_str::<Value>(&said.stdout).unwrap()["decision"], "APPROVED");
    assert_eq!(world.verify(ZIP, &["--time", "nonsense"]).code, 2);
}

#[test]
fn a_policy_only_adds() {
    for (policy, sign, word) in [
        ("required = { checkpoint = 1 }", false, "MISSING(checkpoint)"),
        ("required = { checkpoint = 1 }", true, "APPROVED"),
        ("required = { checkpoint = 2 }", true, "MISSING(checkpoint)"),
        ("required = { checkpoint = 1, task = 1 }", true, "MISSING(task)"),
        ("required = { attestation = 1 }", true, "MISSING(attestation)"),
        ("sign-offs = 2", true, "MISSING(signoff)"),
        ("sign-offs = 0", true, "APPROVED"),
        ("apart-from = [\"waiver\"]", true, "APPROVED"),
        ("decision-max-age-hours = 1", true, "EXPIRED"),
    ] {
        let world = World::with_policy(&format!("[policy]\n{policy}\n"));
        world.task("T-1", 1);
        world.task("T-2", 1);
        if sign {
            world.ledger(&["checkpoint", "--key", "ops@example.com"]).good();
        }
        world.as_one("cto@example.com", &["sign-off", "--decision", "go"]).good();
        let at = (policy.contains("max-age")).then(|| "2040-01-01T00:00:00Z".to_owned());
        let found = told(&world, LEDGER, &Options { at, ..trusting() });
        assert_eq!(found.decision.as_deref(), Some(word), "{policy}");
        if !policy.contains("max-age") {
            let said = world.ledger(&["go-no-go"]);
            assert!(said.stdout.contains(&format!("Sign-off  {word}")), "{policy}: {}", said.all());
        }
    }
    // The approver also waived: that role is kept apart.
    let world = World::with_policy("[policy]\nrequired = { package = 1 }\n");
    let refused = world.ledger(&["go-no-go"]);
    assert!(refused.stderr.contains("knows no role `package`"), "{}", refused.all());
}

#[test]
fn the_policy_is_the_one_that_the_verifier_brings() {
    let world = World::done();
    world.packed();
    for path in [LEDGER, ZIP] {
        assert_eq!(world.verify(path, &["--policy", "ledger.toml"]).good().verdict(), "VERIFIED");
        let own = world.path().join("own.toml");
        std::fs::write(&own, format!("{}\n[policy]\nsign-offs = 2\n", world.plan)).unwrap();
        assert_eq!(world.verify(path, &["--policy", "own.toml"]).verdict(), "POLICY-MISMATCH");
        let options = Options { policy: Some(std::fs::read(&own).unwrap()), ..trusting() };
        assert_eq!(told(&world, path, &options).verdict, "POLICY-MISMATCH");
    }
    assert!(world.path().join("evidence").join(RUN).is_dir());
}
