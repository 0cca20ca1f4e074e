//! Whether the data directory's file system is fit, and has room.

use super::Shared;
use crate::journal::Space;

/// Whether the data directory is fit to keep what it is given.
pub fn judge(space: &Space, shared: &Shared) {
    match space.ephemeral() {
        Ok(Some(file_system)) if !shared.config.journal.allow_ephemeral => {
            tracing::error!(%file_system, "nothing on the data directory's file system lasts: not ready");
            shared.status.set_ephemeral(file_system);
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the data directory's file system tells no type"),
    }
    look_for_space(space, shared);
}

/// Looks whether there is room on the disk, and sets the reserve aside when there is.
pub fn look_for_space(space: &Space, shared: &Shared) {
    match space.is_short() {
        Ok(short) => shared.log.set_short(short),
        Err(error) => tracing::warn!(%error, "the data directory's file system tells not what is free"),
    }
    if let Err(error) = space.keep_reserve() {
        tracing::warn!(%error, "no reserve could be set aside");
    }
}
