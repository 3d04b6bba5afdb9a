//! The end of the proxy in two steps: first nothing new, then nothing at all.
//!
//! Nouns: [`Phase`], [`Alive`].

use std::convert::Infallible;

use tokio::sync::{mpsc, watch};

/// Where the proxy is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Connections are accepted.
    Serving,
    /// Running exchanges may finish; nothing new begins.
    Draining,
    /// What still runs is dropped, and its guards close the books.
    Stopping,
}

/// A token that some flow is still open: held by every open flow, awaited by the shutdown.
pub(crate) type Alive = mpsc::Sender<Infallible>;

/// Completes when nothing new may begin.
pub(crate) async fn draining(phase: watch::Receiver<Phase>) {
    reached(phase, Phase::Draining).await;
}

/// Completes when nothing may go on.
pub(crate) async fn stopping(phase: watch::Receiver<Phase>) {
    reached(phase, Phase::Stopping).await;
}

async fn reached(mut phase: watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        // The handle was dropped without a shutdown: the proxy goes on.
        std::future::pending::<Infallible>().await;
    }
}
