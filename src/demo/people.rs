//! The people of the demo: one for each role of the plan, with a key that is thrown away and says so.

use std::path::{Path, PathBuf};

use super::DemoError;
use super::project::put;
use crate::sign::{Namespace, Signer, SigningKey, generate};

/// What follows each key in its own files and in allowed_signers.
const MARK: &str = "THROWAWAY-demo-key";

/// A role of the plan, and what its holder may sign. Only the CTO decides, and the CTO does nothing else: an approver who took part
/// in the work is refused.
const ROLES: &[(&str, &[Namespace])] = &[
    ("database-admin", &[Namespace::Task, Namespace::Attestation]),
    ("backend-engineer", &[Namespace::Task]),
    ("devops-engineer", &[Namespace::Task, Namespace::Checkpoint, Namespace::Package]),
    ("qa-engineer", &[Namespace::Task]),
    ("tech-lead", &[Namespace::Task, Namespace::Attestation, Namespace::Waiver, Namespace::Redaction, Namespace::Keys]),
    ("cto", &[Namespace::Signoff]),
];

/// The principal of a role.
pub fn principal(role: &str) -> String {
    format!("{role}@demo.example.com")
}

/// Where the key of a role lies.
pub fn key_file(folder: &Path, role: &str) -> PathBuf {
    folder.join("keys").join(format!("{role}.throwaway"))
}

/// The key of a role, as [`make_keys`] left it.
pub fn key(folder: &Path, role: &str) -> Result<SigningKey, DemoError> {
    Ok(SigningKey::load(&key_file(folder, role), &mut |_| None)?)
}

/// Makes the keys that are not there yet, and writes allowed_signers.
pub(super) fn make_keys(folder: &Path) -> Result<(), DemoError> {
    let mut text = format!(
        "# Keys made by `ledger demo`, unencrypted and {MARK}s all of them: nothing they sign proves anything about anybody.\n\
         # For a project of your own: `ledger keys` with keys that people hold themselves.\n"
    );
    for (role, namespaces) in ROLES {
        let path = key_file(folder, role);
        let key = match path.exists() {
            true => key(folder, role)?,
            false => generate(&path, &format!("{MARK} {role}"))?,
        };
        let signer = Signer {
            principal: principal(role),
            namespaces: namespaces.to_vec(),
            valid_after: None,
            valid_before: None,
            key: key.public(),
        };
        text.push_str(&format!("{} {MARK}\n", signer.line()));
    }
    put(folder, "allowed_signers", text.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::AllowedSigners;

    #[test]
    fn keys_are_marked_as_thrown_away_and_the_signers_file_is_of_the_one_form() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        make_keys(folder.path()).unwrap();
        let bytes = std::fs::read(folder.path().join("allowed_signers")).unwrap();
        let signers = AllowedSigners::parse(&bytes).unwrap();
        assert_eq!(signers.signers().len(), ROLES.len());
        let deciders: Vec<_> = signers.signers().iter().filter(|s| s.namespaces.contains(&Namespace::Signoff)).collect();
        assert_eq!(deciders.len(), 1);
        assert_eq!(deciders[0].namespaces, [Namespace::Signoff]);
        assert_eq!(deciders[0].key, key(folder.path(), "cto").unwrap().public());
        for line in String::from_utf8(bytes.clone()).unwrap().lines().filter(|line| !line.starts_with('#')) {
            assert!(line.ends_with(MARK), "{line}");
        }
        for (role, _) in ROLES {
            let public = std::fs::read_to_string(format!("{}.pub", key_file(folder.path(), role).display())).unwrap();
            assert!(public.contains(MARK), "{public}");
        }
        make_keys(folder.path()).unwrap();
        assert_eq!(std::fs::read(folder.path().join("allowed_signers")).unwrap(), bytes, "a second time the same keys");
    }
}
