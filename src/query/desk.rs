//! The threads that answer questions, apart from the workers, who take events meanwhile.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

type Work = Box<dyn FnOnce() + Send>;

/// A few threads, and a queue in front of them that ends somewhere. The threads end with it.
#[derive(Debug)]
pub struct Desk {
    queue: SyncSender<Work>,
}

/// So much waits already that nothing more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Desk {
    /// Starts threads, for which so much work may wait.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn open(threads: usize, waiting_max: usize) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(waiting_max);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads.max(1) {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name(format!("query-{number}"))
                .spawn(move || work(&waiting))?;
        }
        Ok(Self { queue })
    }

    /// Has something done by the next thread that is free.
    ///
    /// # Errors
    /// Too much waits already; the work is dropped.
    pub fn submit(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        self.queue.try_send(Box::new(work)).map_err(|_| Full)
    }
}

fn work(waiting: &Mutex<Receiver<Work>>) {
    loop {
        // Whoever holds the lock waits for work; it is let go of before the work begins.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("answering a question panicked; others are answered all the same");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_queue_is_refused_and_a_panic_ends_no_thread() {
        let desk = Desk::open(1, 1).unwrap();
        let (release, gate) = sync_channel::<()>(1);
        let (done, finished) = sync_channel(2);
        let begun = done.clone();
        desk.submit(move || {
            begun.send(0).unwrap();
            gate.recv().unwrap();
            panic!("as it may happen");
        })
        .unwrap();
        assert_eq!(finished.recv(), Ok(0));
        // The thread is busy: one may wait, and no other.
        desk.submit(move || done.send(1).unwrap()).unwrap();
        assert_eq!(desk.submit(|| {}), Err(Full));
        release.send(()).unwrap();
        assert_eq!(finished.recv(), Ok(1));
    }
}
