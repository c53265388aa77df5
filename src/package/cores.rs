//! Work on all cores: hashing is what verification spends its time on, and files are hashed independently of each other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More threads than this only read the same disk.
const MOST: usize = 8;

/// How many threads work at once.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST)
}

/// Does `work` for each of the pieces, the largest first, on as many threads as the machine has cores; what came of them, in the order of the
/// pieces. The calling thread works too, so that a machine that gives no further thread only takes longer.
pub(super) fn each<T: Send>(sizes: &[u64], work: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    each_beside(sizes, work, || ()).0
}

/// The same, while the calling thread does something else first, and gives what came of that too.
pub(super) fn each_beside<T: Send, B>(sizes: &[u64], work: &(dyn Fn(usize) -> T + Sync), beside: impl FnOnce() -> B) -> (Vec<T>, B) {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(sizes[*i]));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(sizes.len())));
    let run = || {
        while let Some(&i) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = work(i);
            // A thread that panics takes the whole with it, so what it left is never looked at.
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((i, made));
        }
    };
    let beside = std::thread::scope(|scope| {
        for _ in 1..threads().min(sizes.len() + 1) {
            if std::thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        let beside = beside();
        run();
        beside
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(i, _)| *i);
    (done.into_iter().map(|(_, made)| made).collect(), beside)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_piece_is_worked_on_once_and_comes_back_in_its_place() {
        let sizes: Vec<u64> = (0..1000).map(|n| n * 7919 % 1000).collect();
        assert_eq!(super::each(&sizes, &|i| (i, sizes[i])), sizes.iter().copied().enumerate().collect::<Vec<_>>());
        assert_eq!(super::each::<u8>(&[], &|_| unreachable!("no piece")), Vec::<u8>::new());
        let (worked, beside) = super::each_beside(&sizes, &|i| i, || "done");
        assert_eq!((worked, beside), ((0..1000).collect(), "done"));
    }
}
