//! Time stamps of heads (RFC 3161), by an authority that the test makes with `openssl`, judged by both verifiers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use migration_ledger::package::verify::Options;
use migration_ledger::publish::stamp;
use migration_ledger::sign::AllowedSigners;

use crate::scene::{OPS, Scene, repack, signers, trusting, unpack, verify, verify_store};

/// An authority whose certificate ends after some seconds, in files of a folder.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new(seconds: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=authority\n[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\n\
                      serial=ca.serial\ndefault_md=sha256\npolicy=p\nx509_extensions=ext\n[p]\ncommonName=supplied\n\
                      [ext]\nextendedKeyUsage=critical,timeStamping\n\
                      [t]\nserial=t.serial\ncrypto_device=builtin\nsigner_cert=t.pem\nsigner_key=t.key\nsigner_digest=sha256\n\
                      default_policy=1.2.3.4\ndigests=sha256\naccuracy=secs:1\nordering=no\ntsa_name=no\ness_cert_id_chain=no\n";
        for (name, text) in [("t.cnf", config), ("index.txt", ""), ("ca.serial", "01\n"), ("t.serial", "01\n")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let made = Self { folder };
        made.openssl("req -new -newkey rsa:2048 -nodes -config t.cnf -keyout t.key -out t.csr");
        let until = (chrono::Utc::now() + chrono::Duration::seconds(seconds)).format("%Y%m%d%H%M%SZ");
        made.openssl(&format!(
            "ca -selfsign -batch -notext -config t.cnf -keyfile t.key -in t.csr -out t.pem -startdate 20260101000000Z -enddate {until}"
        ));
        made
    }

    fn openssl(&self, args: &str) {
        let output = Command::new("openssl").args(args.split(' ')).current_dir(self.folder.path()).output().expect("openssl is installed");
        assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("t.pem")
    }

    /// The reply to our own query over these bytes.
    fn reply(&self, bytes: &[u8]) -> Vec<u8> {
        std::fs::write(self.folder.path().join("query"), stamp::query(bytes).unwrap()).unwrap();
        self.openssl("ts -reply -config t.cnf -section t -queryfile query -out reply");
        std::fs::read(self.folder.path().join("reply")).unwrap()
    }
}

fn by(authority: &Authority, signers: AllowedSigners) -> Options {
    Options { signers: Some(signers), tsa_ca: Some(authority.certificate()), ..Options::default() }
}

/// The trusted signers, the approver's key valid until a time only.
fn until(time: &str) -> AllowedSigners {
    let mut lines: Vec<String> = signers().signers().iter().map(|signer| signer.line() + "\n").collect();
    lines[0] = lines[0].replacen(" ssh-ed25519", &format!(",valid-before=\"{time}\" ssh-ed25519"), 1);
    AllowedSigners::parse(lines.concat().as_bytes()).unwrap()
}

fn word(path: &Path, options: &Options) -> String {
    verify(path, options).unwrap().verdict
}

#[test]
fn a_stamp_holds_at_the_time_of_stamping_and_dates_what_it_covers() {
    let (authority, other) = (Authority::new(5), Authority::new(3600));
    let made = Instant::now();
    let mut scene = Scene::approved();
    let size = scene.store.len().unwrap();
    let reply = authority.reply(scene.store.checkpoint_text(size).unwrap().as_bytes());
    stamp::import(&mut scene.store, size, &reply, &authority.certificate()).unwrap();
    let zip = scene.pack();

    // Nobody's certificates: it is said that nobody looked.
    let found = verify(&zip, &trusting()).unwrap();
    assert_eq!(found.verdict, "VERIFIED", "{:?}", found.fault());
    assert!(
        found.stamps.is_empty() && found.findings.iter().any(|f| f.starts_with("time stamps kept: 1, not examined")),
        "{:?}",
        found.findings
    );

    // After both the approver's key and the authority's own certificate have ended.
    let found = verify(&zip, &by(&authority, signers())).unwrap();
    let stamped = found.stamps[0].time.clone();
    std::thread::sleep(Duration::from_secs(6).saturating_sub(made.elapsed()));
    let ended = until(&stamped.replace(['-', ':', 'T'], ""));
    let stale = Options { signers: Some(ended.clone()), ..Options::default() };
    assert_eq!(word(&zip, &stale), "KEY-EXPIRED(sig/7-signoff.sig)");
    let found = verify(&zip, &by(&authority, ended.clone())).unwrap();
    assert_eq!((found.verdict.as_str(), found.decision.as_deref()), ("VERIFIED", Some("APPROVED")), "{:?}", found.fault());
    assert_eq!((found.stamps.len(), found.stamps[0].size), (1, size));
    let found = verify_store(&scene.store, &by(&authority, ended.clone())).unwrap();
    assert_eq!((found.verdict.as_str(), found.stamps.len()), ("VERIFIED", 1), "{:?}", found.fault());
    // A time of the verifier's own for one file goes before, and an earlier time of the whole is not moved on.
    let mut told = by(&authority, ended.clone());
    told.times.insert("sig/7-signoff.sig".into(), "2099-01-01T00:00:00Z".into());
    assert_eq!(word(&zip, &told), "KEY-EXPIRED(sig/7-signoff.sig)");
    told = by(&authority, ended);
    told.at = Some("2026-02-01T00:00:00Z".into());
    assert_eq!(word(&zip, &told), "VERIFIED");

    // Another authority; a stamp of another head; a head that is not here; no reply at all.
    let file = format!("ledger/anchors/{size}-rfc3161-{}.tsr", &migration_ledger::chain::hash::sha256(&reply).to_hex()[..16]);
    assert_eq!(word(&zip, &by(&other, signers())), format!("BAD-TIMESTAMP({file})"));
    let good = unpack(&zip);
    for (name, bytes, said) in [
        ("ledger/anchors/6-rfc3161-moved.tsr", reply.clone(), "BAD-TIMESTAMP(ledger/anchors/6-rfc3161-moved.tsr)"),
        ("ledger/anchors/9-rfc3161-later.tsr", reply.clone(), "TRUNCATED"),
        ("ledger/anchors/0-rfc3161-none.tsr", reply.clone(), "TRUNCATED"),
        ("ledger/anchors/8-rfc3161-rubbish.tsr", b"rubbish".to_vec(), "BAD-TIMESTAMP(ledger/anchors/8-rfc3161-rubbish.tsr)"),
        ("ledger/anchors/08-rfc3161-spelled.tsr", b"rubbish".to_vec(), "VERIFIED"),
    ] {
        let mut files = good.clone();
        files.insert(name.into(), bytes);
        repack(&zip, &files, true, OPS);
        assert_eq!(word(&zip, &by(&authority, signers())), said, "{name}");
        assert_eq!(word(&zip, &trusting()), "VERIFIED", "not examined: {name}");
    }
}
