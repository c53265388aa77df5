//! The foreign-key graph: parents left of their children, one column per depth.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::product::ForeignKeyFacts;

/// Tables as boxes, keys as lines from parent to child.
#[derive(Clone, Debug, Serialize)]
pub struct Graph {
    pub seq: u64,
    pub width: u32,
    pub height: u32,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub keys: usize,
    pub bad: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Node {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub text: String,
    pub title: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    pub path: String,
    pub class: &'static str,
    pub title: String,
}

const BOX: u32 = 132;
const COLUMN: u32 = 186;
const LINE: u32 = 34;

/// Lays the keys out; `None` when there are none.
pub fn graph(keys: &[ForeignKeyFacts], seq: u64) -> Option<Graph> {
    if keys.is_empty() {
        return None;
    }
    // Depth = longest way from a table without parents; cycles stop after as many rounds as there are tables.
    let mut depth: BTreeMap<&str, u32> = keys.iter().flat_map(|k| [(k.parent.as_str(), 0), (k.child.as_str(), 0)]).collect();
    for _ in 0..depth.len().min(12) {
        let before = depth.clone();
        for key in keys.iter().filter(|k| k.parent != k.child) {
            let parent = depth.get(key.parent.as_str()).copied().unwrap_or(0);
            let child = depth.entry(key.child.as_str()).or_insert(0);
            *child = (*child).max(parent + 1).min(11);
        }
        if depth == before {
            break;
        }
    }
    let mut filled: BTreeMap<u32, u32> = BTreeMap::new();
    let mut places: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (table, column) in &depth {
        let row = filled.entry(*column).or_insert(0);
        places.insert(table, (4 + column * COLUMN, 6 + *row * LINE));
        *row += 1;
    }
    let nodes = places
        .iter()
        .map(|(table, (x, y))| Node {
            x: *x,
            y: *y,
            width: BOX,
            text: fit(table.rsplit_once('.').map_or(*table, |(_, name)| name)),
            title: format!(
                "{table}: {} to parents, {} from children",
                keys.iter().filter(|k| k.child == **table).count(),
                keys.iter().filter(|k| k.parent == **table).count()
            ),
        })
        .collect();
    let edges: Vec<Edge> = keys
        .iter()
        .filter_map(|key| {
            let (px, py) = places.get(key.parent.as_str())?;
            let (cx, cy) = places.get(key.child.as_str())?;
            let (from, to) = ((px + BOX, py + 11), (*cx, cy + 11));
            let path = if key.parent == key.child {
                format!("M{} {} c 22 -10 22 16 0 8", from.0, from.1 - 4)
            } else if cx > px {
                let bend = (to.0 - from.0) / 2;
                format!("M{} {} C{} {} {} {} {} {}", from.0, from.1, from.0 + bend, from.1, to.0 - bend, to.1, to.0, to.1)
            } else {
                format!("M{} {} C{} {} {} {} {} {}", from.0, from.1, from.0 + 40, from.1, to.0.saturating_sub(40), to.1, to.0, to.1)
            };
            let (class, state) = match (key.orphans, key.validated) {
                (Some(0), true) => ("ok", "no orphans".to_owned()),
                (Some(0), false) => ("unknown", "no orphans, not validated".to_owned()),
                (Some(n), _) => ("fail", format!("{n} orphans")),
                (None, _) => ("unknown", "orphans not counted".to_owned()),
            };
            let columns = format!("{}({}) → {}({})", key.child, key.child_columns.join(", "), key.parent, key.parent_columns.join(", "));
            Some(Edge { path, class, title: format!("{}: {columns}, {state}", key.name) })
        })
        .collect();
    let columns = filled.keys().max().copied().unwrap_or(0) + 1;
    Some(Graph {
        seq,
        width: columns * COLUMN - (COLUMN - BOX) + 26,
        height: filled.values().max().copied().unwrap_or(1) * LINE + 4,
        bad: edges.iter().filter(|e| e.class == "fail").count(),
        keys: edges.len(),
        nodes,
        edges,
    })
}

/// A name that fits its box; the title carries the whole.
fn fit(name: &str) -> String {
    if name.chars().count() <= 19 { name.to_owned() } else { format!("{}…", name.chars().take(18).collect::<String>()) }
}
