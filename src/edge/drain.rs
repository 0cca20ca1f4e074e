//! The way down: serving → not ready → draining → done.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::passing::Successor;

/// How far a shutdown has come. Stages only move forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Open for business.
    Serving,
    /// Still accepting, but asking to be taken out of rotation.
    NotReady,
    /// The listeners are closed; what is open finishes.
    Draining,
    /// Every worker has returned.
    Done,
}

/// A shared handle on the shutdown: main begins it, workers follow it, readiness checks read it.
#[derive(Debug, Clone)]
pub struct Drain {
    stage: watch::Sender<Stage>,
    /// Who goes on serving, if somebody does.
    successor: Arc<OnceLock<Arc<Successor>>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            stage: watch::Sender::new(Stage::Serving),
            successor: Arc::default(),
        }
    }
}

impl Drain {
    /// Begins the shutdown: not ready from now on. Calling it again changes nothing.
    pub fn begin(&self) {
        self.advance(Stage::NotReady);
    }

    /// Begins the shutdown, and passes what is open to a successor that listens on the same sockets already.
    pub fn hand_over(&self, successor: Successor) {
        // A second one comes too late: connections are on their way to the first.
        let _ = self.successor.set(Arc::new(successor));
        self.begin();
    }

    /// Who goes on serving, if somebody does.
    pub(super) fn successor(&self) -> Option<&Arc<Successor>> {
        self.successor.get()
    }

    /// Whether new traffic is welcome.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Serving
    }

    /// Whether the listeners are closed or closing.
    pub fn is_draining(&self) -> bool {
        self.stage() >= Stage::Draining
    }

    /// The present stage.
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Returns once the shutdown has come at least as far as `stage`.
    pub async fn reached(&self, stage: Stage) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.stage.subscribe().wait_for(|now| *now >= stage).await;
    }

    pub(super) fn advance(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let later = to > *stage;
            if later {
                *stage = to;
            }
            later
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_only_move_forward() {
        let drain = Drain::default();
        assert!(drain.is_ready() && !drain.is_draining());
        drain.begin();
        assert!(!drain.is_ready() && !drain.is_draining());
        drain.advance(Stage::Draining);
        drain.begin();
        assert_eq!(drain.stage(), Stage::Draining);
        assert!(!drain.is_ready() && drain.is_draining());
    }

    #[tokio::test]
    async fn every_clone_hears_of_the_shutdown() {
        let drain = Drain::default();
        let worker = drain.clone();
        let waiting = tokio::spawn(async move { worker.reached(Stage::NotReady).await });
        drain.begin();
        waiting.await.unwrap();
        drain.reached(Stage::Serving).await;
    }
}
