//! A look at every byte of the event store, beside everything else, so that a start need not wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use crate::clock;
use crate::store::Library;

/// For one part of reading so many parts of rest.
const RESTS: u32 = 3;
/// Longest rest between two files.
const REST_MAX: Duration = Duration::from_secs(5);

/// A check that is under way or has ended.
pub struct StoreCheck {
    flags: Arc<Flags>,
}

#[derive(Default)]
struct Flags {
    /// Nobody wants to know any more.
    given_up: AtomicBool,
    damaged: AtomicBool,
}

impl StoreCheck {
    /// Starts it.
    ///
    /// # Errors
    /// When its thread cannot be made.
    pub fn start(libraries: [Library; 2]) -> io::Result<Self> {
        let flags = Arc::new(Flags::default());
        let ours = flags.clone();
        thread::Builder::new().name("store-check".into()).spawn(move || {
            let mut began = clock::now();
            let mut go_on = || {
                let took = clock::now().duration_since(began);
                thread::park_timeout((took * RESTS).min(REST_MAX));
                began = clock::now();
                !ours.given_up.load(Ordering::Acquire)
            };
            let checked = libraries.iter().try_for_each(|library| library.check(&mut go_on));
            match checked {
                Ok(()) => tracing::debug!("the files of the event store are as they were written"),
                Err(error) => {
                    tracing::error!(%error, "a file of the event store is damaged");
                    ours.damaged.store(true, Ordering::Release);
                }
            }
        })?;
        Ok(Self { flags })
    }

    /// Whether it has found damage.
    pub fn found_damage(&self) -> bool {
        self.flags.damaged.load(Ordering::Acquire)
    }
}

impl Drop for StoreCheck {
    fn drop(&mut self) {
        self.flags.given_up.store(true, Ordering::Release);
    }
}
