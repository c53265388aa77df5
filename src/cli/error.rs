//! Errors as a person meets them: `error:` what and where, `cause:`, `hint:` with the exact next command.

use super::exit::Exit;

/// A failure of a command, mapped once, at the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    pub exit: Exit,
    pub what: String,
    pub cause: Option<String>,
    pub hint: Option<String>,
}

impl CliError {
    /// A failure with its exit code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), cause: None, hint: None }
    }

    /// Could not set up.
    pub fn setup(what: impl Into<String>) -> Self {
        Self::new(Exit::Setup, what)
    }

    /// With what made it happen.
    #[must_use]
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// With the exact next command, or what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(cause) = &self.cause {
            write!(f, "\ncause: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CliError {}

impl From<crate::chain::Error> for CliError {
    fn from(error: crate::chain::Error) -> Self {
        use crate::chain::ErrorKind;
        let exit = match error.kind() {
            ErrorKind::Setup => Exit::Setup,
            ErrorKind::Write => Exit::LedgerWrite,
            ErrorKind::Integrity => Exit::Integrity,
            ErrorKind::Bug => Exit::Bug,
        };
        let this = Self::new(exit, error.to_string());
        match error.hint() {
            Some(hint) => this.hint(hint),
            None => this,
        }
    }
}
