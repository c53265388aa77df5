//! sqitch: `sqitch.plan` says what runs in which order; scripts lie in `deploy/`, `revert/` and `verify/`.
//!
//! A change has no number: its version here is its place in the plan. Its id is SHA-1 over what the plan says of it and of the change
//! before; sqitch's registry knows it by that. A change that is planned again after a tag is reworked: the older one's scripts are
//! `name@tag.sql`. Scripts are psql's, and mostly transactions of their own. (sqitch, `App::Sqitch::Plan`, `sqitchchanges(5)`.)

mod plan;

use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, walk};

pub use plan::{Change, Dependency, Tag};

/// Where things lie.
struct Folders {
    plan: PathBuf,
    extension: String,
    deploy: PathBuf,
    revert: PathBuf,
    verify: PathBuf,
    registry: Option<String>,
}

/// Reads a project: the folder of `sqitch.conf`, or the one of the plan.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Sqitch, dir);
    let folders = folders(dir)?;
    let shown_plan = shown(dir, &folders.plan);
    let bytes = std::fs::read(&folders.plan).map_err(|source| LayoutError::Read { path: folders.plan.clone(), source })?;
    let changes = plan::parse(&bytes, &shown_plan)?;
    set.files += 1;
    for (index, change) in changes.iter().enumerate() {
        if let Some(missing) = change.requires.iter().find(|d| d.own && !changes[..index].iter().any(|c| c.answers(&d.name))) {
            let message =
                format!("{} requires {}, which the plan does not have before it: sqitch refuses the plan", change.name, missing.name);
            set.oddities.push(Oddity::not_importable(format!("{shown_plan}:{}", change.line), message));
        }
        let script = |folder: &Path| script(dir, folder, change, &folders.extension);
        let Some(up) = script(&folders.deploy)? else {
            let message = format!("the change {} has no deploy script {}", change.name, file_name(change, &folders.extension));
            set.oddities.push(Oddity::not_importable(format!("{shown_plan}:{}", change.line), message));
            continue;
        };
        set.files += 1;
        // As it lies on disk, its own BEGIN and COMMIT with it.
        let checksum = hex::encode(Sha1::digest(&up.bytes));
        let mut migration = Migration::new(Layout::Sqitch, (index + 1).to_string(), &*change.name, up);
        migration.down = script(&folders.revert)?;
        migration.verify = script(&folders.verify)?;
        if let Some(registry) = &folders.registry {
            migration.history = format!("\"{}\".changes", registry.replace('"', "\"\""));
        }
        set.migrations.push(Migration { checksum: Some(checksum), key: Key::Sqitch(Box::new(change.clone())), ..migration });
    }
    unplanned(dir, &folders, &changes, &mut set)?;
    Ok(set)
}

fn unplanned(dir: &Path, folders: &Folders, changes: &[Change], set: &mut MigrationSet) -> Result<(), LayoutError> {
    if !folders.deploy.is_dir() {
        return Ok(());
    }
    for file in walk::tree(&folders.deploy)? {
        if !changes.iter().any(|change| file_name(change, &folders.extension) == file) {
            let subject = format!("{}/{file}", shown(dir, &folders.deploy));
            let message = "is in no line of the plan, so sqitch never runs it".into();
            set.oddities.push(Oddity { kind: OddityKind::Unmatched, subject, message });
        }
    }
    Ok(())
}

fn file_name(change: &Change, extension: &str) -> String {
    let tag = change.reworked_at.as_ref().map(|tag| format!("@{tag}")).unwrap_or_default();
    format!("{}{tag}.{extension}", change.name)
}

fn script(dir: &Path, folder: &Path, change: &Change, extension: &str) -> Result<Option<Script>, LayoutError> {
    let path = folder.join(file_name(change, extension));
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(|source| LayoutError::Read { path: path.clone(), source })?;
    Ok(Some(Script::new(shown(dir, &path), bytes)))
}

fn shown(dir: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(dir).unwrap_or(path);
    relative.to_string_lossy().trim_start_matches("./").to_owned()
}

/// From `sqitch.conf`, where there is one.
fn folders(dir: &Path) -> Result<Folders, LayoutError> {
    let at = [Some(dir), dir.parent()].into_iter().flatten().find(|folder| folder.join("sqitch.conf").is_file());
    let (conf, root) = match at {
        Some(folder) => (walk::bytes(folder, "sqitch.conf")?, folder),
        None => (Vec::new(), dir),
    };
    let value = |section: &str, key: &str| setting(&conf, section, key);
    let top = value("core", "top_dir").map_or_else(|| root.to_path_buf(), |top| root.join(top));
    let top = if top.join("sqitch.plan").is_file() || !dir.join("sqitch.plan").is_file() { top } else { dir.to_path_buf() };
    let folder = |name: &str| {
        let configured = value("core", &format!("{name}_dir")).or_else(|| value(name, "dir"));
        configured.map_or_else(|| top.join(name), |configured| root.join(configured))
    };
    let plan = value("core", "plan_file").map_or_else(|| top.join("sqitch.plan"), |file| root.join(file));
    Ok(Folders {
        plan,
        extension: value("core", "extension").unwrap_or_else(|| "sql".into()),
        deploy: folder("deploy"),
        revert: folder("revert"),
        verify: folder("verify"),
        registry: value("engine \"pg\"", "registry"),
    })
}

/// A value of an INI file: `[section]`, `key = value`; comments begin with `#` or `;`.
fn setting(conf: &[u8], section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    let mut found = None;
    for line in walk::lines(conf) {
        let text = line.text.trim();
        if let Some(head) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = head.trim().eq_ignore_ascii_case(section);
        } else if inside
            && let Some((name, value)) = text.split_once('=')
            && name.trim().eq_ignore_ascii_case(key)
        {
            found = Some(value.trim().trim_matches('"').to_owned());
        }
    }
    found
}

/// Whether a folder is a project of sqitch's.
pub fn is_here(dir: &Path) -> bool {
    dir.join("sqitch.plan").is_file() || dir.join("sqitch.conf").is_file()
}
