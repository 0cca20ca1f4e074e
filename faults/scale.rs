//! How much of a series is run, and by which seed.

/// The longer of two, in a full run.
pub fn pick<T>(short: T, full: T) -> T {
    if is_full() { full } else { short }
}

/// Whether all of it is to be run.
pub fn is_full() -> bool {
    std::env::var_os("FOOTFALL_FAULTS").is_some_and(|scale| scale == "full")
}

/// The seed that was asked for, or one of its own for each full run; short runs use this one.
pub fn seed(usual: u64) -> u64 {
    match std::env::var("FOOTFALL_FAULTS_SEED") {
        Ok(seed) => seed.parse().expect("FOOTFALL_FAULTS_SEED is a number"),
        Err(_) if is_full() => getrandom::u32().unwrap().into(),
        Err(_) => usual,
    }
}
