//! What a process asks of its directory.

use std::io;
use std::sync::Arc;

use footfall::counters::{LedgerError, LedgerFile, LedgerPage};
use footfall::journal::{Disk, DiskFile};

use super::{Change, Directory, Node};
use crate::mutant::Mutant;

pub struct SimDisk(pub Directory);

pub struct SimFile(Directory, usize);

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut files = self.0.lock();
        files.enter()?;
        Ok(files.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut files = self.0.lock();
        files.enter()?;
        if files.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = files.nodes.len();
        files.nodes.push(Node::default());
        files.change_names(vec![(name.into(), Some(node))]);
        Ok(Arc::new(SimFile(self.0.clone(), node)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut files = self.0.lock();
        files.enter()?;
        let node = files.find(name)?;
        Ok(Arc::new(SimFile(self.0.clone(), node)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.lock();
        files.enter()?;
        let node = files.find(from)?;
        files.change_names(vec![(from.into(), None), (to.into(), Some(node))]);
        Ok(())
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        let mut files = self.0.lock();
        files.enter()?;
        let node = files.find(name)?;
        if !files.names.contains_key(second) {
            files.change_names(vec![(second.into(), Some(node))]);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut files = self.0.lock();
        files.enter()?;
        files.find(name)?;
        files.change_names(vec![(name.into(), None)]);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut files = self.0.lock();
        files.enter()?;
        if files.mutant != Some(Mutant::NamesNeverSynced) {
            files.lasting_names = files.names.clone();
            files.name_changes.clear();
        }
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().write(self.1, usize::try_from(offset).unwrap(), bytes)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut files = self.0.lock();
        files.enter()?;
        let percent = files.faults.reads_fail;
        if files.random.chance(percent) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let rest = files.nodes[self.1]
            .seen
            .get(usize::try_from(offset).unwrap()..)
            .unwrap_or_default();
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.lock().sync(self.1)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut files = self.0.lock();
        files.enter()?;
        if files.mutant != Some(Mutant::RefusedWritesStay) {
            let change = Change::Truncate(usize::try_from(length).unwrap());
            let node = &mut files.nodes[self.1];
            node.change(&change);
            node.unsynced.push(change);
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let mut files = self.0.lock();
        files.enter()?;
        Ok(files.nodes[self.1].seen.len() as u64)
    }
}

/// The ledger's file: a page is on disk as a whole when the call returns, or nothing of it is.
pub struct SimLedger(pub Directory);

impl std::fmt::Debug for SimLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimLedger")
    }
}

impl LedgerFile for SimLedger {
    fn write(&mut self, page: &LedgerPage) -> Result<(), LedgerError> {
        let mut files = self.0.lock();
        let refused = |why: &str| LedgerError::Damaged {
            path: "counters".into(),
            why: why.into(),
        };
        let half = files.random.chance(30);
        files.enter().map_err(|error| refused(&error.to_string()))?;
        if files.faults.full {
            return Err(refused("no room"));
        }
        if !(half && files.mutant == Some(Mutant::CursorWithoutTotals)) {
            for (hash, field, total) in &page.totals {
                files.ledger.insert((*hash, field.clone()), *total);
            }
        }
        if !(half && files.mutant == Some(Mutant::TotalsWithoutCursor)) {
            let imports = [&files.page.imports[..], &page.imports[..]].concat();
            files.page = LedgerPage {
                totals: Vec::new(),
                imports,
                ..page.clone()
            };
        }
        Ok(())
    }
}
