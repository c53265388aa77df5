//! Roots, inclusion and consistency proofs against an RFC 6962 tree that somebody else wrote.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use migration_ledger::chain::{Draft, EntryType, Hash, Store, hash, merkle};
use proptest::prelude::*;
use sha2::Sha256;

/// The same leaves as both trees want them: hashed, and as what is hashed.
fn trees(n: usize) -> (Vec<Hash>, MemoryBackedTree<Sha256, Vec<u8>>) {
    let mut theirs = MemoryBackedTree::new();
    let mut ours = Vec::new();
    for i in 0..n {
        let item = format!("entry {i}").into_bytes();
        ours.push(hash::sha256(&[&[0], item.as_slice()].concat()));
        theirs.push(item);
    }
    (ours, theirs)
}

#[test]
fn roots_and_proofs_are_those_of_another_implementation_for_every_size_up_to_130() {
    for n in 1..=130u64 {
        let (ours, theirs) = trees(n as usize);
        let root = theirs.root();
        assert_eq!(merkle::root(&ours).0, root.as_bytes().as_slice(), "root of {n}");
        for index in (0..n).filter(|index| n <= 40 || index % 7 == 0 || *index + 2 >= n) {
            let path = merkle::inclusion(ours.as_slice(), index, n).unwrap();
            let bytes: Vec<u8> = path.iter().flat_map(|hash| hash.0).collect();
            assert_eq!(bytes, theirs.prove_inclusion(index as usize).as_bytes(), "{index} in {n}");
            let theirs_of_it = InclusionProof::<Sha256>::try_from_bytes(bytes).unwrap();
            root.verify_inclusion(&format!("entry {index}").into_bytes(), index, &theirs_of_it).unwrap();
            assert!(merkle::included(&ours[index as usize], index, n, &path, &merkle::root(&ours)));
        }
        for old in (1..=n).filter(|old| n <= 40 || old % 11 == 0 || *old + 2 >= n) {
            let proof = merkle::consistency(ours.as_slice(), old, n).unwrap();
            let bytes: Vec<u8> = proof.iter().flat_map(|hash| hash.0).collect();
            let (_, shorter) = trees(old as usize);
            if old < n {
                assert_eq!(bytes, theirs.prove_consistency((n - old) as usize).as_bytes(), "{old} to {n}");
                root.verify_consistency(&shorter.root(), &ConsistencyProof::try_from_bytes(bytes).unwrap()).unwrap();
            }
            let (old_root, new_root) = (merkle::root(&ours[..old as usize]), merkle::root(&ours));
            assert!(merkle::consistent(old, &old_root, n, &new_root, &proof));
        }
    }
}

/// The ledger answers by its derived nodes, and without them the same.
#[test]
fn a_ledger_proves_by_its_nodes_what_its_leaves_prove() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("l.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    for _ in 0..70 {
        store.append(Draft::new(EntryType::Note, "ops@example.com")).unwrap();
    }
    let leaves: Vec<Hash> = store.entries(0..71).map(|entry| entry.unwrap().leaf).collect();
    let look = |store: &Store| {
        for size in [1, 2, 3, 31, 32, 33, 64, 65, 71] {
            assert_eq!(store.root_at(size).unwrap(), merkle::root(&leaves[..size as usize]));
            for index in (0..size).step_by(5) {
                assert_eq!(store.inclusion(index, size).unwrap(), merkle::inclusion(&leaves[..size as usize], index, size).unwrap());
            }
            for old in (1..=size).step_by(6) {
                assert_eq!(store.consistency(old, size).unwrap(), merkle::consistency(&leaves[..size as usize], old, size).unwrap());
            }
        }
    };
    look(&store);
    let conn = rusqlite::Connection::open(&path).unwrap();
    assert!(conn.execute("DELETE FROM node WHERE level = 2 OR idx % 3 = 1", []).unwrap() > 10);
    look(&store);
}

proptest! {
    /// Whatever is changed in a proof, it no longer proves.
    #[test]
    fn a_changed_proof_proves_nothing(n in 2u64..200, index in 0u64..200, at in 0usize..8, bit in 0u8..8, byte in 0usize..32) {
        let index = index % n;
        let (ours, _) = trees(n as usize);
        let root = merkle::root(&ours);
        let leaf = ours[index as usize];
        let path = merkle::inclusion(ours.as_slice(), index, n).unwrap();
        let mut changed = path.clone();
        let at = at % changed.len();
        changed[at].0[byte] ^= 1 << bit;
        prop_assert!(!merkle::included(&leaf, index, n, &changed, &root));
        prop_assert!(!merkle::included(&leaf, index, n, &path[1..], &root));
        prop_assert!(!merkle::included(&leaf, index, n, &[&path[..], &[root]].concat(), &root));
        prop_assert!(!merkle::included(&leaf, n, n, &path, &root));
        prop_assert!((0..n).filter(|other| *other != index).all(|other| !merkle::included(&leaf, other, n, &path, &root)));
        let old = index + 1;
        let proof = merkle::consistency(ours.as_slice(), old, n).unwrap();
        let before = merkle::root(&ours[..old as usize]);
        let mut other = before;
        other.0[byte] ^= 1 << bit;
        prop_assert!(!merkle::consistent(old, &other, n, &root, &proof));
        if !proof.is_empty() {
            let mut changed = proof.clone();
            let at = at % changed.len();
            changed[at].0[byte] ^= 1 << bit;
            prop_assert!(!merkle::consistent(old, &before, n, &root, &changed));
            prop_assert!(!merkle::consistent(old, &before, n, &root, &proof[1..]));
        }
    }
}
