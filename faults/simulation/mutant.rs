//! Planted mistakes. Each is made at a seam (disk, ledger's file, Redis, the harness), and the checker must notice it.

/// What is wrong with a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// `fdatasync` says yes and does nothing.
    SyncDoesNothing,
    /// `fdatasync` fails and says yes.
    SyncErrorIgnored,
    /// Names are never made to last.
    NamesNeverSynced,
    /// A refused write is not cut off again.
    RefusedWritesStay,
    /// Frames that a power cut tore pass for whole ones: nobody looks at checksums.
    ChecksumIgnored,
    /// Recovery takes nothing behind the first damage.
    RecoveryStopsAtDamage,
    /// Visits are answered before they are written.
    AnsweredBeforeWrite,
    /// Segments go before what they hold is counted.
    SegmentsRemovedEarly,
    /// Idempotency keys are forgotten at a restart.
    WindowForgotten,
    /// The ledger writes its cursor, and its totals only when nothing intervenes.
    CursorWithoutTotals,
    /// The ledger writes its totals, and its cursor only when nothing intervenes.
    TotalsWithoutCursor,
    /// The guard takes any commit, wherever it starts.
    FromIgnored,
    /// The guard does not compare claims.
    NonceIgnored,
    /// The guard does not look whether the holder of a name goes on from a copy of the claimant's directory.
    OriginalIgnored,
    /// The guard writes the sequence first, and Redis may die in between.
    SequenceFirst,
    /// The guard does not look for counts that outlived it.
    OrphansIgnored,
    /// The guard does not notice what a torn transaction left.
    TornIgnored,
    /// A Redis that lost everything is given the latest changes only.
    LostTakenForZero,
    /// The log is folded anew from one frame too early.
    RefoldOneTooEarly,
    /// The log is folded anew from one frame too late.
    RefoldOneTooLate,
    /// A commit whose reply was lost is sent again as a new one.
    ResentAsNew,
    /// What Redis says of a gap is not listened to.
    GapIgnored,
    /// The event store notes its place in the log before the rows, and may die in between.
    StoreCursorFirst,
    /// The event store says that rows are committed, and forgets them.
    StoreCommitLost,
    /// The event store takes rows again that it has.
    StoreReplayTaken,
    /// The event store is told to erase, and does not.
    StoreErasureForgotten,
    /// The event store tells a place in the log up to which it has committed nothing.
    StoreToldEarly,
    /// The event store takes sessions again that it has.
    SessionsTakenAgain,
    /// What sessions are open is kept before those that are over, and it may break off in between.
    OpenSessionsFirst,
    /// Whoever fills the event store forgets which ids it has seen.
    StoreWindowForgotten,
    /// Whoever takes over fills the event store from its own lane alone.
    StoreLaneForgotten,
    /// Whoever takes over fills the event store before the process before has ended.
    StoreTakenEarly,
}

impl Mutant {
    /// Those that only a hand-over shows.
    pub const OF_LANES: [Self; 2] = [Self::StoreLaneForgotten, Self::StoreTakenEarly];
    pub const ALL: [Self; 30] = [
        Self::SyncDoesNothing,
        Self::SyncErrorIgnored,
        Self::NamesNeverSynced,
        Self::RefusedWritesStay,
        Self::ChecksumIgnored,
        Self::RecoveryStopsAtDamage,
        Self::AnsweredBeforeWrite,
        Self::SegmentsRemovedEarly,
        Self::WindowForgotten,
        Self::CursorWithoutTotals,
        Self::TotalsWithoutCursor,
        Self::FromIgnored,
        Self::NonceIgnored,
        Self::OriginalIgnored,
        Self::SequenceFirst,
        Self::OrphansIgnored,
        Self::TornIgnored,
        Self::LostTakenForZero,
        Self::RefoldOneTooEarly,
        Self::RefoldOneTooLate,
        Self::ResentAsNew,
        Self::GapIgnored,
        Self::StoreCursorFirst,
        Self::StoreCommitLost,
        Self::StoreReplayTaken,
        Self::StoreErasureForgotten,
        Self::StoreToldEarly,
        Self::StoreWindowForgotten,
        Self::SessionsTakenAgain,
        Self::OpenSessionsFirst,
    ];
}
