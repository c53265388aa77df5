//! The RFC 6962 tree over the leaves: roots, the incremental frontier, inclusion and consistency proofs.
//!
//! A tree of size n is a list of perfect subtrees, one for each set bit of n, largest first; its root folds them from the right.

use super::hash::{Hash, node, sha256};

/// The right edge of a growing tree: the hash of each perfect subtree, largest first.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. `made` hears of every inner node that became complete: (level above the leaves, index in the level, hash).
    pub fn push(&mut self, leaf: Hash, mut made: impl FnMut(u32, u64, Hash)) {
        let (mut hash, mut index, mut level) = (leaf, self.size, 0);
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node(&left, &hash);
            index >>= 1;
            level += 1;
            made(level, index, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root; of no leaves, SHA-256 of nothing (RFC 6962, 2.1).
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }
}

/// Folds perfect subtrees, largest first, to a root.
pub fn fold(peaks: &[Hash]) -> Hash {
    let mut peaks = peaks.iter().rev();
    let Some(first) = peaks.next() else { return sha256(b"") };
    peaks.fold(*first, |right, left| node(left, &right))
}

/// The perfect subtrees of a tree of `size` leaves, largest first: (level, index in the level).
pub fn peaks(size: u64) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    let mut start = 0u64;
    for level in (0..64).rev() {
        if size >> level & 1 == 1 {
            found.push((level, start >> level));
            start += 1 << level;
        }
    }
    found
}

/// The root over leaves held in memory.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf, |_, _, _| {});
    }
    frontier.root()
}

/// Largest power of two smaller than `n` (n ≥ 2).
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// Where hashes of ranges `[start, end)` of leaves come from: memory, or the ledger's node table.
pub trait Ranges {
    type Error;
    /// The root over the leaves `start..end`, `start < end`.
    fn range(&self, start: u64, end: u64) -> Result<Hash, Self::Error>;
}

impl Ranges for [Hash] {
    type Error = std::convert::Infallible;
    fn range(&self, start: u64, end: u64) -> Result<Hash, Self::Error> {
        let clamp = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(self.len());
        Ok(root(&self[clamp(start)..clamp(end)]))
    }
}

/// The audit path of leaf `index` in the tree of `size` leaves, from the leaf to the root (RFC 6962, 2.1.1). `index < size`.
pub fn inclusion<R: Ranges + ?Sized>(leaves: &R, index: u64, size: u64) -> Result<Vec<Hash>, R::Error> {
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(leaves.range(middle, end)?);
            end = middle;
        } else {
            path.push(leaves.range(start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` leads from `leaf` at `index` to `root` of a tree of `size` leaves (RFC 9162, 2.1.3.2).
pub fn included(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut f, mut s, mut hash) = (index, size - 1, *leaf);
    for step in path {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            hash = node(step, &hash);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            hash = node(&hash, step);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && hash == *root
}

/// The consistency proof between the trees of `old` and `new` leaves (RFC 6962, 2.1.2). `1 ≤ old ≤ new`.
pub fn consistency<R: Ranges + ?Sized>(leaves: &R, old: u64, new: u64) -> Result<Vec<Hash>, R::Error> {
    let mut proof = Vec::new();
    let (mut start, mut end, mut whole) = (0, new, true);
    let mut tail = Vec::new();
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            tail.push(leaves.range(middle, end)?);
            end = middle;
        } else {
            tail.push(leaves.range(start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(leaves.range(start, end)?);
    }
    tail.reverse();
    proof.extend(tail);
    Ok(proof)
}

/// Whether `proof` shows that the tree of `new` leaves extends the tree of `old` leaves (RFC 9162, 2.1.4.2).
pub fn consistent(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut steps = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { steps.next() };
    let Some(first) = first else { return false };
    let (mut f, mut s) = (old - 1, new - 1);
    while f & 1 == 1 {
        f >>= 1;
        s >>= 1;
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for step in steps {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            from_old = node(step, &from_old);
            from_new = node(step, &from_new);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            from_new = node(&from_new, step);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && from_old == *old_root && from_new == *new_root
}

/// A whole tree in memory, for roots of any of its sizes in O(log n): 64 bytes a leaf.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    frontier: Frontier,
    /// Perfect subtrees by level; level 0 is the leaves.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let levels = &mut self.levels;
        let mut put = |level: u32, hash| {
            let level = level as usize;
            if levels.len() <= level {
                levels.resize_with(level + 1, Vec::new);
            }
            levels[level].push(hash);
        };
        put(0, leaf);
        self.frontier.push(leaf, |level, _, hash| put(level, hash));
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Leaf `index`.
    pub fn leaf(&self, index: u64) -> Option<&Hash> {
        self.levels.first()?.get(usize::try_from(index).ok()?)
    }

    /// The root of the first `size` leaves; `None` beyond the tree, and of none.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        if size == 0 || size > self.size() {
            return None;
        }
        let node = |(level, index): (u32, u64)| self.levels.get(level as usize)?.get(usize::try_from(index).ok()?).copied();
        Some(fold(&peaks(size).into_iter().map(node).collect::<Option<Vec<_>>>()?))
    }
}
