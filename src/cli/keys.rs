//! `ledger keys`: who may sign what.
//!
//! The file `allowed_signers` beside ledger.toml is the team's own copy of the trust; an auditor verifies with a copy of their
//! own. Adding and revoking edit that file and leave a signed entry; the entry is history and grants nothing.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::json;

use super::signing::{Signing, reason, trusted};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::publish::files;
use crate::publish::statements::key_changed;
use crate::sign::signers::Signer;
use crate::sign::{AllowedSigners, Namespace, PublicKey, keys};

/// Keys and roles: list, add, revoke, generate
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Who may sign what, from allowed_signers
    List {
        /// The file to read [default: allowed_signers beside ledger.toml]
        #[arg(long, value_name = "FILE")]
        allowed_signers: Option<PathBuf>,
    },
    /// Make a new ed25519 key pair in OpenSSH's form (as `ssh-keygen -t ed25519` does)
    Generate {
        /// Where the private key goes; the public one beside it with .pub
        file: PathBuf,
        /// The comment in the public key
        #[arg(long, default_value = "ledger")]
        comment: String,
    },
    /// Let a key sign for roles: a line in allowed_signers and a signed entry
    Add {
        #[command(flatten)]
        change: Change,
        /// The key counts from this second on, YYYYMMDDhhmmss (UTC)
        #[arg(long, value_name = "TIME")]
        valid_after: Option<String>,
        /// The key counts to this second, YYYYMMDDhhmmss (UTC)
        #[arg(long, value_name = "TIME")]
        valid_before: Option<String>,
    },
    /// Take a key away: its line goes, the key goes into revoked_keys, and a signed entry says so
    Revoke(Change),
}

#[derive(Debug, clap::Args)]
struct Change {
    /// Whose key it is: name@example.com
    #[arg(value_name = "HOLDER")]
    holder: String,
    /// The public key file (ssh-ed25519 …)
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    /// The roles, such as signoff@ledger (add only)
    #[arg(long, value_name = "ROLE", num_args = 1.., value_delimiter = ',')]
    roles: Vec<String>,
    /// Why, in words
    #[arg(long, value_name = "FILE")]
    reason_file: PathBuf,
    #[command(flatten)]
    signing: Signing,
}

/// Does what was asked.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    match &args.what {
        What::List { allowed_signers } => list(globals, allowed_signers.as_deref()),
        What::Generate { file, comment } => generate(globals, file, comment),
        What::Add { change, valid_after, valid_before } => add(globals, change, valid_after.as_deref(), valid_before.as_deref()),
        What::Revoke(change) => revoke(globals, change),
    }
}

fn list(globals: &Globals, file: Option<&Path>) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let signers = trusted(globals, file)?;
    let roles = |signer: &Signer| signer.namespaces.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    if ui.format == MessageFormat::Json {
        for signer in signers.signers() {
            ui.json(&json!({
                "schema": "ledger.signer/1", "principal": signer.principal, "roles": roles(signer), "key": signer.key.fingerprint(),
                "valid_after": signer.valid_after, "valid_before": signer.valid_before,
            }))?;
        }
        return Ok(Exit::Good);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["PRINCIPAL", "ROLES", "KEY", "VALID"]);
    for signer in signers.signers() {
        let valid = match (&signer.valid_after, &signer.valid_before) {
            (None, None) => "always".to_owned(),
            (after, before) => format!("{} – {}", after.as_deref().unwrap_or(""), before.as_deref().unwrap_or("")),
        };
        table.add_row([signer.principal.clone(), roles(signer), signer.key.fingerprint(), valid]);
    }
    ui.answer(table.to_string());
    Ok(Exit::Good)
}

fn generate(globals: &Globals, file: &Path, comment: &str) -> Result<Exit, CliError> {
    let key = keys::generate(file, comment)?;
    globals.ui().answer(format!("{} {}", file.display(), key.public().fingerprint()));
    Ok(Exit::Good)
}

fn add(globals: &Globals, change: &Change, after: Option<&str>, before: Option<&str>) -> Result<Exit, CliError> {
    let roles = change
        .roles
        .iter()
        .map(|name| {
            Namespace::from_name(name).ok_or_else(|| {
                CliError::new(Exit::Usage, format!("`{name}` is no role")).hint(
                    "one of task@ledger, checkpoint@ledger, attestation@ledger, waiver@ledger, redaction@ledger, keys@ledger, signoff@ledger, package@ledger",
                )
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if roles.is_empty() {
        return Err(CliError::new(Exit::Usage, "a key without a role can sign nothing").hint("--roles attestation@ledger waiver@ledger"));
    }
    let signer = Signer {
        principal: change.holder.clone(),
        namespaces: roles.clone(),
        valid_after: after.map(|time| time.trim_end_matches('Z').to_owned()),
        valid_before: before.map(|time| time.trim_end_matches('Z').to_owned()),
        key: public_key(&change.public_key)?,
    };
    let path = globals.project_root()?.join("allowed_signers");
    let mut text = std::fs::read_to_string(&path).map_err(|error| CliError::setup(format!("cannot read {}", path.display())).cause(error))?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&signer.line());
    text.push('\n');
    AllowedSigners::parse(text.as_bytes())?;
    let ready = change.signing.ready(globals, Namespace::Keys)?;
    let mut store = globals.open_ledger_for_writing()?;
    let entry = key_changed(&mut store, true, &change.holder, &signer.key, &roles, &ready.by(), &reason(&change.reason_file)?)?;
    files::write(&path, text.as_bytes(), true)?;
    globals.ui().answer(format!("{} may sign as {}: entry {}", signer.key.fingerprint(), change.holder, entry.seq));
    Ok(Exit::Good)
}

fn revoke(globals: &Globals, change: &Change) -> Result<Exit, CliError> {
    let key = public_key(&change.public_key)?;
    let root = globals.project_root()?;
    let path = root.join("allowed_signers");
    let text = std::fs::read_to_string(&path).map_err(|error| CliError::setup(format!("cannot read {}", path.display())).cause(error))?;
    let encoded = key.to_base64();
    let of_key = |line: &&str| !line.starts_with('#') && line.split_whitespace().any(|word| word == encoded);
    let Some(line) = text.lines().find(of_key) else {
        return Err(CliError::new(Exit::Usage, "allowed_signers does not have this key").hint("ledger keys list"));
    };
    if line.split_whitespace().next() != Some(change.holder.as_str()) {
        return Err(CliError::new(Exit::Usage, format!("this key is not {}'s", change.holder)).hint("ledger keys list"));
    }
    let roles = AllowedSigners::parse(format!("{line}\n").as_bytes())?.signers().first().map(|s| s.namespaces.clone()).unwrap_or_default();
    let ready = change.signing.ready(globals, Namespace::Keys)?;
    let mut store = globals.open_ledger_for_writing()?;
    let entry = key_changed(&mut store, false, &change.holder, &key, &roles, &ready.by(), &reason(&change.reason_file)?)?;
    let kept: String = text.lines().filter(|line| !of_key(line)).map(|line| format!("{line}\n")).collect();
    files::write(&path, kept.as_bytes(), true)?;
    // The form that `ssh-keygen -Y verify -r` reads: one public key a line.
    let revoked = root.join("revoked_keys");
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .open(&revoked)
        .and_then(|mut file| writeln!(file, "ssh-ed25519 {encoded}"))
        .map_err(|error| CliError::setup(format!("cannot write {}", revoked.display())).cause(error))?;
    globals.ui().answer(format!("{} is revoked: entry {}", key.fingerprint(), entry.seq));
    Ok(Exit::Good)
}

fn public_key(file: &Path) -> Result<PublicKey, CliError> {
    std::fs::metadata(file).map_err(|error| CliError::setup(format!("cannot read {}", file.display())).cause(error))?;
    super::signing::read_public(file).ok_or_else(|| {
        CliError::new(Exit::Usage, format!("{} is not an ssh-ed25519 public key", file.display()))
            .hint("only ed25519 keys are accepted: ssh-keygen -t ed25519, then name the .pub file")
    })
}
