//! What this user has seen of ledgers before: the largest size and root of each, in a small file of the user's own. So an older copy
//! that somebody put back is noticed. It is a memory, not evidence: without it a first look is as good as any.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use super::ui::Ui;
use crate::chain::{Hash, LedgerId, Store};

/// The file: `$XDG_STATE_HOME/ledger/heads`, else `~/.local/state/ledger/heads` (XDG Base Directory Specification). `None`: no home.
fn path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("ledger/heads"))
}

type Heads = BTreeMap<LedgerId, (u64, Hash)>;

/// Lines `<ledger id> <size> <root>`. A line of another form is somebody else's: it is left out.
fn read() -> Heads {
    let text = path().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let (id, size, root) = (LedgerId::from_hex(words.next()?)?, words.next()?.parse().ok()?, Hash::from_hex(words.next()?)?);
        words.next().is_none().then_some((id, (size, root)))
    };
    text.lines().filter_map(line).collect()
}

/// The longest state of a ledger that was seen, if it was.
pub fn of(id: LedgerId) -> Option<(u64, Hash)> {
    read().remove(&id)
}

/// Remembers a state that holds, if it is longer than what was seen. A memory that cannot be written is said, and no failure.
pub fn remember(ui: &Ui, id: LedgerId, size: u64, root: Hash) {
    let mut heads = read();
    if heads.get(&id).is_some_and(|(seen, _)| *seen >= size) {
        return;
    }
    heads.insert(id, (size, root));
    let Some(path) = path() else { return };
    let text: String = heads.iter().map(|(id, (size, root))| format!("{id} {size} {root}\n")).collect();
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let mut file = tempfile::Builder::new().prefix(".heads-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(&path).map_err(|error| error.error)
    });
    if let Err(error) = written {
        ui.note(format!("What was seen is not remembered: {} cannot be written ({error})", path.display()));
    }
}

/// Remembers the head of an open ledger that this user has just written to.
pub fn remember_store(ui: &Ui, store: &Store) {
    if let Ok(head) = store.head().and_then(|head| store.checkpoint(head.size)) {
        remember(ui, head.ledger_id, head.size, head.root);
    }
}
