//! `sqitch.plan`: pragmas, then changes and tags, one a line, in the order of deployment.

use sha1::{Digest, Sha1};

use crate::migrate::layout::{LayoutError, walk};

/// A change of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// SHA-1 (hex).
    pub id: String,
    pub project: String,
    pub uri: Option<String>,
    pub name: String,
    pub note: String,
    /// `2026-01-01T00:00:00Z`.
    pub planned_at: String,
    pub planner_name: String,
    pub planner_email: String,
    pub requires: Vec<Dependency>,
    pub conflicts: Vec<Dependency>,
    /// Tags right after it.
    pub tags: Vec<Tag>,
    /// The tag in whose name its scripts are kept, once the change was planned again.
    pub reworked_at: Option<String>,
    /// Of the plan, 1-based.
    pub line: u64,
}

/// What a change requires, or conflicts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// As sqitch writes it: without the project where that is the plan's own.
    pub name: String,
    /// Whether it is of this plan.
    pub own: bool,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub id: String,
    /// Without `@`.
    pub name: String,
    pub note: String,
    pub planned_at: String,
    pub planner_name: String,
    pub planner_email: String,
}

impl Change {
    /// Whether a dependency of this plan means this change: by name, or by name and tag.
    pub fn answers(&self, dependency: &str) -> bool {
        let (name, tag) = dependency.split_once('@').unwrap_or((dependency, ""));
        let tagged = tag.is_empty()
            || self.tags.iter().any(|own| own.name == tag)
            || self.reworked_at.as_deref() == Some(tag)
            || tag == "HEAD"
            || tag == "ROOT";
        // A tag may stand further down than the change it is asked with; the name is what decides then.
        (name.is_empty() || self.name == name) && (tagged || !name.is_empty())
    }
}

/// Reads a plan. `file` is for messages.
pub fn parse(bytes: &[u8], file: &str) -> Result<Vec<Change>, LayoutError> {
    let mut changes: Vec<Change> = Vec::new();
    let (mut project, mut uri): (Option<String>, Option<String>) = (None, None);
    for line in walk::lines(bytes) {
        let fail = |message: &str| LayoutError::Plan { file: file.to_owned(), line: line.number, message: message.to_owned() };
        let (text, note) = match line.text.split_once('#') {
            Some((text, note)) => (text.trim(), unescaped(note.trim())),
            None => (line.text.trim(), String::new()),
        };
        if text.is_empty() {
            continue;
        }
        if let Some(pragma) = text.strip_prefix('%') {
            let (key, value) = pragma.split_once('=').unwrap_or((pragma, ""));
            match key.trim() {
                "project" => project = Some(value.trim().to_owned()),
                "uri" => uri = Some(value.trim().to_owned()),
                _ => {}
            }
            continue;
        }
        let project = project.as_deref().ok_or_else(|| fail("a change before `%project=`, which sqitch requires"))?;
        let entry =
            Entry::parse(text).ok_or_else(|| fail("not `name [requires] 2026-01-01T00:00:00Z Planner <email>`, as sqitch writes it"))?;
        if let Some(name) = entry.name.strip_prefix('@') {
            let Some(change) = changes.last_mut() else { return Err(fail("a tag before any change, which sqitch refuses")) };
            let mut info = head(project, uri.as_deref());
            info.push_str(&format!(
                "tag @{name}\nchange {}\nplanner {} <{}>\ndate {}",
                change.id, entry.planner_name, entry.planner_email, entry.at
            ));
            change.tags.push(Tag {
                id: object_id("tag", &with_note(info, &note)),
                name: name.to_owned(),
                note,
                planned_at: entry.at,
                planner_name: entry.planner_name,
                planner_email: entry.planner_email,
            });
            continue;
        }
        if entry.name.starts_with('-') {
            return Err(fail("a change planned to be reverted, which sqitch does not do either"));
        }
        let name = entry.name.trim_start_matches('+').trim().to_owned();
        let dependency = |text: &str| {
            let (of, name) = text.split_once(':').unwrap_or((project, text));
            Dependency { name: if of == project { name.to_owned() } else { text.to_owned() }, own: of == project }
        };
        let requires: Vec<Dependency> = entry.dependencies.iter().filter(|d| !d.starts_with('!')).map(|d| dependency(d)).collect();
        let conflicts: Vec<Dependency> = entry.dependencies.iter().filter_map(|d| d.strip_prefix('!')).map(dependency).collect();
        rework(&mut changes, &name)
            .map_err(|line| fail(&format!("{name} is planned again without a tag since line {line}, which sqitch refuses")))?;

        let mut info = head(project, uri.as_deref());
        info.push_str(&format!("change {name}\n"));
        if let Some(parent) = changes.last() {
            info.push_str(&format!("parent {}\n", parent.id));
        }
        info.push_str(&format!("planner {} <{}>\ndate {}", entry.planner_name, entry.planner_email, entry.at));
        for (word, sign, list) in [("requires", '+', &requires), ("conflicts", '-', &conflicts)] {
            if !list.is_empty() {
                info.push_str(&format!("\n{word}"));
                list.iter().for_each(|d| info.push_str(&format!("\n  {sign} {}", d.name)));
            }
        }
        changes.push(Change {
            id: object_id("change", &with_note(info, &note)),
            project: project.to_owned(),
            uri: uri.clone(),
            name,
            note,
            planned_at: entry.at,
            planner_name: entry.planner_name,
            planner_email: entry.planner_email,
            requires,
            conflicts,
            tags: Vec::new(),
            reworked_at: None,
            line: line.number,
        });
    }
    Ok(changes)
}

/// Marks an earlier change of this name as reworked at the first tag after it. `Err`: there is no tag since; its line.
fn rework(changes: &mut [Change], name: &str) -> Result<(), u64> {
    let Some(at) = changes.iter().rposition(|change| change.name == name) else { return Ok(()) };
    let tag = changes[at..].iter().find_map(|change| change.tags.first()).map(|tag| tag.name.clone());
    let line = changes[at].line;
    changes[at].reworked_at = Some(tag.ok_or(line)?);
    Ok(())
}

fn head(project: &str, uri: Option<&str>) -> String {
    let uri = uri.map(|uri| format!("uri {uri}\n")).unwrap_or_default();
    format!("project {project}\n{uri}")
}

fn with_note(mut info: String, note: &str) -> String {
    if !note.is_empty() {
        info.push_str(&format!("\n\n{note}"));
    }
    info
}

/// As git makes the names of its objects.
fn object_id(kind: &str, info: &str) -> String {
    hex::encode(Sha1::digest(format!("{kind} {}\0{info}", info.len())))
}

fn unescaped(note: &str) -> String {
    note.replace("\\\\", "\u{0}").replace("\\n", "\n").replace("\\r", "\r").replace('\u{0}', "\\")
}

struct Entry {
    name: String,
    dependencies: Vec<String>,
    at: String,
    planner_name: String,
    planner_email: String,
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(char::is_whitespace)?;
        let rest = rest.trim();
        let (dependencies, rest) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (inside, rest) = rest.split_once(']')?;
                (inside.split_whitespace().map(str::to_owned).collect(), rest.trim())
            }
            None => (Vec::new(), rest),
        };
        let (at, planner) = rest.split_once(char::is_whitespace)?;
        let date = at.len() == 20 && at.ends_with('Z') && at.as_bytes()[10] == b'T' && at.starts_with(|c: char| c.is_ascii_digit());
        let (planner_name, email) = planner.trim().strip_suffix('>')?.split_once('<')?;
        date.then(|| Self {
            name: name.to_owned(),
            dependencies,
            at: at.to_owned(),
            planner_name: planner_name.trim_end().to_owned(),
            planner_email: email.to_owned(),
        })
    }
}
