//! Reading `ledger.toml`: what is wrong is told with its place.

use std::path::{Path, PathBuf};

use super::Config;
use crate::domain::plan::PlanError;

/// The roles that a policy can name. `package` is not among them: the ledger alone could never meet it.
const POLICY_ROLES: [&str; 5] = ["task", "checkpoint", "attestation", "waiver", "redaction"];

/// A `ledger.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    /// `place` is `line:column`, both from 1; the message names the offending key and the known ones.
    #[error("{path}:{place}: {message}")]
    Parse { path: PathBuf, place: String, message: String },
    #[error("{path}: {source}")]
    Plan { path: PathBuf, source: PlanError },
    /// A reason for having nothing that is empty, or that stands beside what it denies.
    #[error("{path}: {message}")]
    Reason { path: PathBuf, message: String },
}

impl Config {
    /// Reads and checks a configuration file; returns it with its exact bytes. Programs that it names by a relative path are looked for
    /// from its own folder, wherever the command is run.
    pub fn load(path: &Path) -> Result<(Self, Vec<u8>), ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let mut config = Self::parse(&bytes, path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for program in [&mut config.backup.pg_dump, &mut config.backup.pg_restore].into_iter().flatten() {
            if program.components().count() > 1 {
                *program = folder.join(&program);
            }
        }
        Ok((config, bytes))
    }

    /// Parses and checks the bytes; `path` is for messages only.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, ConfigError> {
        let text = std::str::from_utf8(bytes).map_err(|error| ConfigError::Parse {
            path: path.into(),
            place: place(&String::from_utf8_lossy(&bytes[..error.valid_up_to()]), error.valid_up_to()),
            message: "not UTF-8".into(),
        })?;
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.into(),
            place: place(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        config.tenancy.left_out.clone_from(&config.backup.exclude_schemas);
        config.plan.validate().map_err(|source| ConfigError::Plan { path: path.into(), source })?;
        let policy = &config.policy;
        if let Some(role) = policy.required.keys().chain(&policy.apart_from).find(|role| !POLICY_ROLES.contains(&role.as_str())) {
            let message = format!("[policy] knows no role `{role}`; there are {}", POLICY_ROLES.join(", "));
            return Err(ConfigError::Reason { path: path.into(), message });
        }
        config.reasons().map_err(|message| ConfigError::Reason { path: path.into(), message })?;
        Ok(config)
    }

    /// A reason for having none must say something, and not stand beside what it denies.
    fn reasons(&self) -> Result<(), String> {
        let tenancy = &self.tenancy;
        let tenants = !tenancy.tables.is_empty() || tenancy.root.is_some() || tenancy.column.is_some() || tenancy.identity.is_some();
        for (key, reason, denied, what) in [
            ("[tenancy] single-tenant", &tenancy.single_tenant, tenants, "tables, root, column or identity"),
            ("[foreign-keys] none-expected", &self.foreign_keys.none_expected, !self.foreign_keys.expected.is_empty(), "expected keys"),
            ("[integrity] no-linkage", &self.integrity.no_linkage, !self.integrity.linkages.is_empty(), "linkages"),
            ("[checks] no-isolation-tests", &self.checks.no_isolation_tests, false, ""),
        ] {
            match reason {
                Some(reason) if reason.trim().is_empty() => return Err(format!("{key} must give a reason")),
                Some(_) if denied => return Err(format!("{key} says that there is none, but the same section states {what}")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// `line:column`, both from 1, of a byte offset.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{line}:{column}")
}
