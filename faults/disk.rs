//! File systems of a test's own, which can lose power or fill up. They need root; nothing of them stays behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::wait::until_true;

/// An ext4 in a file, on a loop device.
#[derive(Debug)]
pub struct LoopDisk {
    folder: TempDir,
}

impl LoopDisk {
    /// Makes and mounts a file system of this size.
    pub fn new(megabytes: u64) -> Self {
        let disk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let image = File::create(disk.image()).unwrap();
        image.set_len(megabytes << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F", &text(&disk.image())]);
        fs::create_dir(disk.path()).unwrap();
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Cuts the power: what was not synced is gone, and nothing more is written.
    pub fn cut_power(&self) {
        shut_down(&File::open(self.path()).unwrap());
    }

    /// Gives power again; nobody may have a file open there any more.
    pub fn restore_power(&self) {
        unmount(&self.path());
        self.mount();
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", &text(&self.image()), &text(&self.path())]);
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        give_up(&self.path());
    }
}

/// A file system in memory that is soon full.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of this size.
    pub fn new(megabytes: u64) -> Self {
        let disk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let size = format!("size={megabytes}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &text(&disk.path())]);
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Fills it to the last byte; the space comes again with [`SmallDisk::make_room`].
    pub fn fill(&self) {
        use std::io::Write;
        let mut ballast = File::options()
            .create(true)
            .append(true)
            .open(self.path().join("ballast"))
            .unwrap();
        for size in [65_536, 4_096, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    /// Gives the space back.
    pub fn make_room(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        give_up(&self.path());
    }
}

/// The ioctl by which ext4 and XFS stop at once.
const GOING_DOWN: rustix::ioctl::Opcode = 0x8004_587d;
/// Without writing the file system's own journal out first.
const NO_LOG_FLUSH: u32 = 2;

#[allow(
    unsafe_code,
    reason = "no crate has a safe call for this; the kernel reads four bytes, which are there"
)]
fn shut_down(mounted: &File) {
    let outcome = unsafe {
        let order = rustix::ioctl::Setter::<GOING_DOWN, u32>::new(NO_LOG_FLUSH);
        rustix::ioctl::ioctl(mounted, order)
    };
    outcome.expect("the file system can be shut down (ext4, as root)");
}

/// What a process that was just killed held open takes a moment to be let go.
fn unmount(path: &Path) {
    until_true("the file system to be let go", || succeeds("umount", &[&text(path)]));
}

/// Unmounts whatever happened; the loop device goes with the mount.
fn give_up(path: &Path) {
    if !succeeds("umount", &[&text(path)]) {
        succeeds("umount", &["--lazy", &text(path)]);
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let needs = "this test needs root, loop devices and e2fsprogs";
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not run ({error}); {needs}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}; {needs}");
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
