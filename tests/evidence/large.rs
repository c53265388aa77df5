//! One piece of evidence of 5 GiB, recorded, packed and verified by both verifiers, each in little memory. Past 4 GiB every 32-bit field of the
//! archive overflows, so the package is read by stock tools as well.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::Stdio;

use super::world::{World, ran};

const SIZE: u64 = 5 << 30;
/// Resident memory that no command may ever have had, KiB.
const MOST: u64 = 64 << 10;

/// Runs a command and gives its output and the peak of its resident memory in KiB (`VmHWM`), as the kernel last showed it.
fn watched(command: &mut std::process::Command) -> (bool, String, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let shown = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(shown.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (ended.success(), said, peak)
}

#[test]
#[ignore = "minutes, and 16 GiB of disk: make test-long"]
fn five_gibibytes_of_evidence_are_recorded_packed_and_verified_in_little_memory() {
    let world = World::opened();
    let path = world.path().join("dump.bin");
    let mut file = File::create(&path).unwrap();
    file.set_len(SIZE).unwrap();
    // Not zeros alone: something stands at the beginning, past 4 GiB, and at the end.
    for at in [0, (4 << 30) + 1, SIZE - 5] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"after").unwrap();
    }
    drop(file);
    let step = |what: &str, command: &mut std::process::Command| {
        let clock = std::time::Instant::now();
        let (good, said, peak) = watched(command);
        assert!(good, "{what}: {said}");
        eprintln!("{what}: {} MiB at most, {:.0} s", peak / 1024, clock.elapsed().as_secs_f64());
        assert!(peak > 1024 && peak <= MOST, "{what} took {peak} KiB");
        said
    };
    let ledger = |args: &[&str]| {
        let mut command = world.command(env!("CARGO_BIN_EXE_ledger"));
        command.args(args);
        command
    };
    step("recorded", &mut ledger(&["record", "T-1", "dump.bin"]));
    world.task("T-1", 1);
    world.task("T-2", 1);
    world.as_one("cto@example.com", &["sign-off", "--decision", "go", "--reason-file", "ledger.toml"]).good();
    step("packed", &mut ledger(&["package", "--key", "ops@example.com"]));
    let zip = "evidence/staging_migration_20260108.zip";
    let bytes = std::fs::metadata(world.path().join(zip)).unwrap().len();
    assert!(bytes > SIZE, "{bytes}");
    let said = step("verified", &mut ledger(&["verify", zip, "--allowed-signers", "allowed_signers", "--message-format", "json"]));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((said["verdict"].as_str(), said["decision"].as_str()), (Some("VERIFIED"), Some("APPROVED")), "{said}");
    step("the ledger verified", &mut ledger(&["verify"]));
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/verify.py");
    let said = step("verified by verify.py", world.command("python3").args(["-I", tool, zip, "allowed_signers"]));
    assert!(said.contains("VERIFIED") && said.contains("APPROVED"), "{said}");
    // Stock tools read every byte of it too: the CRC of the large file is its own. How much memory they take is their own affair.
    let listed = ran(world.command("unzip").args(["-l", zip])).good().stdout;
    assert!(listed.contains(&format!("{SIZE} ")), "{listed}");
    ran(world.command("unzip").args(["-tq", zip])).good();
}
