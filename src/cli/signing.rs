//! Options of the commands by which people sign, and the key they sign with.

use std::path::{Path, PathBuf};

use super::{CliError, Exit, Globals};
use crate::publish::PublishError;
use crate::publish::statements::By;
use crate::sign::{AgentKey, AllowedSigners, Namespace, PublicKey, SignError, SigningKey, Signs};

/// Who signs, with which key.
#[derive(Clone, Debug, clap::Args)]
pub struct Signing {
    /// The principal, as allowed_signers spells it: name@example.com
    #[arg(long = "as", value_name = "PRINCIPAL", env = "LEDGER_ACTOR")]
    principal: String,
    /// The OpenSSH private key (ed25519), or the .pub file of one that ssh-agent holds
    #[arg(long, value_name = "FILE", env = "LEDGER_KEY")]
    key: PathBuf,
    /// A file with the key's passphrase, where the key has one
    #[arg(long, value_name = "FILE", env = "LEDGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Who may sign what [default: allowed_signers beside ledger.toml]
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
}

/// A key with the trust that it is used under.
pub struct Ready {
    pub principal: String,
    pub key: Box<dyn Signs>,
}

impl Ready {
    /// As the statements want it.
    pub fn by(&self) -> By<'_> {
        By { principal: &self.principal, key: self.key.as_ref() }
    }
}

impl Signing {
    /// Reads the key and refuses one that nobody would accept for the role.
    pub fn ready(&self, globals: &Globals, namespace: Namespace) -> Result<Ready, CliError> {
        let signers = trusted(globals, self.allowed_signers.as_deref())?;
        let key = load(&self.key, self.passphrase_file.as_deref())?;
        let ready = Ready { principal: self.principal.clone(), key };
        ready.by().holds(&signers, namespace, &now())?;
        Ok(ready)
    }
}

/// A key to sign with: a private key file, or by a `.pub` file (or where only that is there) the key that ssh-agent holds. For an encrypted
/// file the passphrase comes from a file, else the agent is asked, else the person at the terminal.
pub fn load(key: &Path, passphrase_file: Option<&Path>) -> Result<Box<dyn Signs>, CliError> {
    find(key, passphrase_file).map_err(|error| {
        let hint = match error {
            SignError::NeedsPassphrase(_) => "--passphrase-file FILE, or LEDGER_PASSPHRASE_FILE, or ssh-add it, or run this at a terminal",
            SignError::Agent(_) => "ssh-add KEY puts it into the agent; or name the private key itself with --key",
            _ => "an ed25519 key of your own: ssh-keygen -t ed25519 -f KEY, then --key KEY",
        };
        CliError::setup(error.to_string()).hint(hint)
    })
}

fn find(key: &Path, passphrase_file: Option<&Path>) -> Result<Box<dyn Signs>, SignError> {
    let mut beside = key.as_os_str().to_owned();
    beside.push(".pub");
    let public = match key.exists() {
        true => read_public(key),
        false => read_public(Path::new(&beside)),
    };
    if let Some(public) = public {
        return Ok(Box::new(AgentKey::find(public)?));
    }
    if passphrase_file.is_none()
        && let Ok((Some(public), true)) = SigningKey::peek(key)
        && let Ok(held) = AgentKey::find(public)
    {
        return Ok(Box::new(held));
    }
    let mut passphrase = |path: &Path| match passphrase_file {
        Some(file) => std::fs::read_to_string(file).ok().map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
        None => super::ui::secret(&format!("Passphrase of {}: ", path.display())),
    };
    Ok(Box::new(SigningKey::load(key, &mut passphrase)?))
}

/// The key of a file that is one line `ssh-ed25519 BASE64 …`.
pub fn read_public(file: &Path) -> Option<PublicKey> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut words = text.split_whitespace();
    (words.next() == Some("ssh-ed25519")).then(|| words.next().and_then(PublicKey::from_base64)).flatten()
}

/// The copy of allowed_signers that this side trusts.
pub fn trusted(globals: &Globals, named: Option<&Path>) -> Result<AllowedSigners, CliError> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => globals.project_root()?.join("allowed_signers"),
    };
    let bytes = std::fs::read(&path).map_err(|error| {
        CliError::setup(format!("cannot read {}", path.display())).cause(error).hint(
            "it says who may sign what: principal namespaces=\"signoff@ledger\" ssh-ed25519 BASE64; or name one with --allowed-signers",
        )
    })?;
    AllowedSigners::parse(&bytes)
        .map_err(|error| CliError::new(Exit::Integrity, format!("MALFORMED-SIGNERS: {}", path.display())).cause(error))
}

/// Now, as statements and keys are judged at.
pub fn now() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The reason a person gives, from a file: free text never stands in a command line.
pub fn reason(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|error| {
        CliError::setup(format!("cannot read {}", file.display()))
            .cause(error)
            .hint("write the reason into a file and name it with --reason-file")
    })
}

impl From<SignError> for CliError {
    fn from(error: SignError) -> Self {
        PublishError::from(error).into()
    }
}
