//! What `ledger init` writes.

/// What `ledger init` starts a project with: the plan CE-P0-06 in full, and the settings of one kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A PostgreSQL of one's own; what is not stated is looked for.
    Plain,
    /// Supabase: its roles, its claims, its own schemas left out of backups.
    Supabase,
    /// The reference staging application under `migrations/contracts`, which the demo runs.
    Contracts,
}

impl Preset {
    /// The commented `ledger.toml` with the plan of a staging migration.
    pub fn text(self) -> String {
        self.with(include_str!("../../templates/ledger.toml"))
    }

    /// The commented `ledger.toml` that examines a database as it stands.
    pub fn examination(self) -> String {
        self.with(include_str!("../../templates/examination.toml"))
    }

    fn with(self, plan: &str) -> String {
        let settings = match self {
            Self::Plain => include_str!("../../templates/settings/plain.toml"),
            Self::Supabase => include_str!("../../templates/settings/supabase.toml"),
            Self::Contracts => include_str!("../../templates/settings/contracts.toml"),
        };
        [plan, settings].concat()
    }
}
