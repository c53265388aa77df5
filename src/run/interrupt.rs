//! Ctrl-C and SIGTERM, noticed from the first moment of a run to its last: also one that comes between two tasks.

use std::future::{pending, poll_fn};
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Who listens for the person (SIGINT) or the system (SIGTERM) asking to stop. From its making on, neither ends the process by itself.
pub struct Interrupts {
    signals: Vec<Signal>,
}

impl Interrupts {
    /// Begins to listen. A signal that cannot be listened for keeps ending the process, as it does without us.
    pub fn listen() -> Self {
        Self { signals: [SignalKind::interrupt(), SignalKind::terminate()].into_iter().filter_map(|kind| signal(kind).ok()).collect() }
    }

    /// Ends at the next signal; at once, if one came since the last call.
    pub async fn next(&mut self) {
        if self.signals.is_empty() {
            pending::<()>().await;
        }
        poll_fn(|cx| match self.signals.iter_mut().any(|signal| matches!(signal.poll_recv(cx), Poll::Ready(Some(())))) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Whether one came since the last call.
    pub async fn came(&mut self) -> bool {
        // The signal is handed over by the runtime, so it gets a turn first.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            () = self.next() => true,
            () = std::future::ready(()) => false,
        }
    }
}
