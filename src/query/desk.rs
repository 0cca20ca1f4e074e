//! The threads that answer questions, apart from the workers, who take events meanwhile.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::{clock, memory};

type Work = Box<dyn FnOnce() + Send>;

/// How often a thread that rests gives memory back: what others let go of when the rest began is found by the second
/// time, and with the system by the third.
const GIVE_BACK_TIMES: u32 = 3;

/// A few threads, and a queue in front of them that ends somewhere. The threads end with it.
pub struct Desk {
    shared: Arc<Shared>,
}

/// So much waits already that nothing more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// When there is nothing to do for a while.
pub struct Rest {
    /// How long.
    pub after: Duration,
    /// What to do then, done by each thread.
    pub begin: Box<dyn Fn() + Send + Sync>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    waiting_max: usize,
    rest: Rest,
}

struct Queue {
    waiting: VecDeque<Work>,
    /// Threads that are at work.
    busy: usize,
    /// When work was last done.
    done_at: Instant,
    closed: bool,
}

/// What a thread does next.
enum Next {
    Work(Work),
    /// Nothing came for so long.
    Rest,
    End,
}

impl Desk {
    /// Starts threads, for which so much work may wait.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn open(threads: usize, waiting_max: usize, rest: Rest) -> io::Result<Self> {
        let queue = Queue {
            waiting: VecDeque::with_capacity(waiting_max),
            busy: 0,
            done_at: clock::now(),
            closed: false,
        };
        let desk = Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(queue),
                changed: Condvar::new(),
                waiting_max,
                rest,
            }),
        };
        for number in 0..threads.max(1) {
            let shared = Arc::clone(&desk.shared);
            thread::Builder::new()
                .name(format!("query-{number}"))
                .spawn(move || shared.serve())?;
        }
        Ok(desk)
    }

    /// Has something done by the next thread that is free.
    ///
    /// # Errors
    /// Too much waits already; the work is dropped.
    pub fn submit(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        let mut queue = self.shared.queue();
        if queue.waiting.len() >= self.shared.waiting_max {
            return Err(Full);
        }
        queue.waiting.push_back(Box::new(work));
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn serve(&self) {
        // Rests from the start: nobody has asked yet.
        let mut rested = GIVE_BACK_TIMES;
        loop {
            let patience = match rested {
                0 => Some(self.rest.after),
                1..GIVE_BACK_TIMES => Some(memory::KEPT),
                _ => None,
            };
            match self.next(patience) {
                Next::End => return,
                Next::Work(work) => {
                    rested = 0;
                    if catch_unwind(AssertUnwindSafe(work)).is_err() {
                        tracing::error!("answering a question panicked; others are answered all the same");
                    }
                    let mut queue = self.queue();
                    queue.busy -= 1;
                    queue.done_at = clock::now();
                }
                Next::Rest => {
                    if rested == 0 {
                        (self.rest.begin)();
                    }
                    rested += 1;
                    memory::give_back();
                }
            }
        }
    }

    /// Waits for work, or until nobody has done any for so long, or for the desk's end.
    fn next(&self, patience: Option<Duration>) -> Next {
        let began = clock::now();
        let mut queue = self.queue();
        loop {
            if let Some(work) = queue.waiting.pop_front() {
                queue.busy += 1;
                return Next::Work(work);
            }
            if queue.closed {
                return Next::End;
            }
            queue = match patience {
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let mut left = patience;
                    if queue.busy == 0 {
                        let since = queue.done_at.max(began);
                        left = left.saturating_sub(clock::now().saturating_duration_since(since));
                    }
                    if left.is_zero() {
                        return Next::Rest;
                    }
                    let waited = self.changed.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc::{RecvTimeoutError, sync_channel};

    use super::*;

    fn never() -> Rest {
        Rest {
            after: Duration::from_hours(1),
            begin: Box::new(|| {}),
        }
    }

    #[test]
    fn what_is_beyond_the_queue_is_refused_and_a_panic_ends_no_thread() {
        let desk = Desk::open(1, 1, never()).unwrap();
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

    #[test]
    fn each_thread_rests_once_after_work_and_not_while_another_is_busy() {
        const AFTER: Duration = Duration::from_millis(100);
        const LONG: Duration = Duration::from_secs(20);
        let (rests, rested) = sync_channel(10);
        let rest = Rest {
            after: AFTER,
            begin: Box::new(move || rests.send(clock::now()).unwrap()),
        };
        let desk = Desk::open(2, 9, rest).unwrap();
        let (release, gate) = sync_channel::<()>(1);
        let both = Arc::new(Barrier::new(2));
        let met = both.clone();
        desk.submit(move || {
            met.wait();
            gate.recv().unwrap();
        })
        .unwrap();
        desk.submit(move || {
            both.wait();
        })
        .unwrap();
        assert_eq!(rested.recv_timeout(AFTER * 5), Err(RecvTimeoutError::Timeout));
        let released = clock::now();
        release.send(()).unwrap();
        for _ in 0..2 {
            assert!(
                rested.recv_timeout(LONG).unwrap() >= released + AFTER,
                "it rests too early"
            );
        }
        // Longer than memory is given back for.
        let giving_back = memory::KEPT * (GIVE_BACK_TIMES + 1);
        assert_eq!(rested.recv_timeout(giving_back), Err(RecvTimeoutError::Timeout));
        desk.submit(|| {}).unwrap();
        rested.recv_timeout(LONG).unwrap();
    }
}
