//! Identifiers as types, so that a task is never passed where a check is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is; where a form is required, the loader of the plan checks it.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// A task of the plan, such as `CE-23`. Plans of other companies name their tasks as they like.
    TaskId
}
text_id! {
    /// A check's stable code, such as `rls-forced`: lower case, digits and hyphens; the name of its file.
    CheckCode
}
text_id! {
    /// A run of the plan, such as `staging_migration_20260108`, and `…-02` for the second on one day.
    RunId
}
text_id! {
    /// A role of the plan, such as `database-admin`.
    RoleId
}
