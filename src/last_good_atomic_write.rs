//! Replaces the last-good file atomically by a rename. Before the first write, the store checks
//! whether the last-good file can be replaced.
//!
//! After a process has written its last-good file, it keeps the file open and locked. If two agents
//! are configured with the same last-good file, the second agent finds the file locked and reports
//! the conflict. The operating system releases the lock when the process ends, so no stale lock
//! remains after a crash.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The path of a last-good file, and the open and locked file that this process wrote last.
#[derive(Debug)]
pub(crate) struct LastGoodFile {
    path: PathBuf,
    written: Mutex<Option<File>>,
}

impl LastGoodFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks whether the last-good file can be replaced. The check does not change the last-good
    /// file and leaves no temporary file.
    pub(crate) fn check(&self) -> io::Result<()> {
        let written = self.written();
        let target = self.target(written.as_ref())?;
        let temporary = Temporary::create(&target)?;
        drop(temporary);
        Ok(())
    }

    /// Replaces the content of the last-good file with the given parts, in their order.
    pub(crate) fn replace(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut written = self.written();
        let target = self.target(written.as_ref())?;
        let mut temporary = Temporary::create(&target)?;
        for part in parts {
            temporary.file.write_all(part)?;
        }
        temporary.file.sync_all()?;
        *written = Some(temporary.rename_to(&target)?);
        sync_folder(&target)
    }

    fn written(&self) -> MutexGuard<'_, Option<File>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the path of the last-good file behind all symbolic links, or an error if this file
    /// cannot be replaced.
    fn target(&self, written: Option<&File>) -> io::Result<PathBuf> {
        let target = behind_links(&self.path)?;
        if target.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "the path is a directory; add the name of a file in it",
            ));
        }
        if is_mount_point(&target) {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the file itself is a mount point, so it cannot be replaced; mount its directory",
            ));
        }
        check_owner(&target, written)?;
        Ok(target)
    }
}

/// Follows symbolic links, even if the last link leads to a file that does not exist yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(link) => Ok(folder_of(path).join(link)),
            Err(_) => Ok(path.to_owned()),
        },
        canonical => canonical,
    }
}

/// Returns an error if another running process has written the last-good file and still locks it.
fn check_owner(target: &Path, written: Option<&File>) -> io::Result<()> {
    let current = match File::open(target) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // A rename can replace the last-good file even if this process cannot read the file, so the
        // check succeeds.
        Err(_) => return Ok(()),
    };
    if written.is_some_and(|written| is_same_file(written, &current)) {
        return Ok(());
    }
    match current.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "another agent stores its last good set in this file; configure a separate file for each agent",
        )),
        // On a file system without locks, the store cannot detect that another process writes the
        // same file.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

#[cfg(unix)]
fn is_same_file(one: &File, other: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |file: &File| file.metadata().map(|data| (data.dev(), data.ino())).ok();
    identity(one).is_some_and(|found| identity(other) == Some(found))
}

#[cfg(not(unix))]
fn is_same_file(_: &File, _: &File) -> bool {
    true
}

/// Returns true if the last-good file is itself a mount point. Containers often mount a single
/// file, and a rename cannot replace a mount point. On all systems other than Linux, the function
/// returns false.
fn is_mount_point(target: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|mount_point| Path::new(mount_point) == target)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A temporary file in the directory of the last-good file, which the temporary file will replace.
/// When the `Temporary` is dropped, the temporary file is removed, unless it has replaced the
/// last-good file.
#[derive(Debug)]
struct Temporary {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl Temporary {
    fn create(target: &Path) -> io::Result<Self> {
        let mut path = target.as_os_str().to_owned();
        // The name of the temporary file contains the process id, so that two agents do not write
        // the same temporary file.
        path.push(format!(".{}.new", std::process::id()));
        let path = PathBuf::from(path);
        // A temporary file that remained after a crash may have other permissions, so the code
        // removes it before it creates a new one.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| {
            let folder = folder_of(target).display();
            io::Error::new(
                error.kind(),
                format!("cannot create files in {folder}: {error}; the directory must be writable"),
            )
        })?;
        // A failure to lock the temporary file is ignored, because some file systems have no locks.
        let _ = file.try_lock();
        Ok(Self {
            file,
            path,
            is_renamed: false,
        })
    }

    /// Renames the temporary file to `target`, and returns the open file, so that its lock stays in
    /// force.
    fn rename_to(mut self, target: &Path) -> io::Result<File> {
        fs::rename(&self.path, target)?;
        self.is_renamed = true;
        self.file.try_clone()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_renamed {
            // If the temporary file cannot be removed now, the next write of this process removes
            // it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Synchronises the directory of the last-good file to disk, so that the rename survives a crash.
#[cfg(unix)]
fn sync_folder(target: &Path) -> io::Result<()> {
    File::open(folder_of(target))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn files_in(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_symbolic_link_stays_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::os::unix::fs::symlink("target", &link).unwrap();
        let file = LastGoodFile::new(link.clone());
        file.check().unwrap();
        for text in [b"one", b"two"] {
            file.replace(&[text]).unwrap();
            assert_eq!(fs::read(&target).unwrap(), text);
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(files_in(folder.path()), 2);
    }

    #[test]
    fn two_agents_on_one_path_do_not_overwrite_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-good");
        let (first, second) = (
            LastGoodFile::new(path.clone()),
            LastGoodFile::new(path.clone()),
        );
        first.check().unwrap();
        second.check().unwrap();
        first.replace(&[b"first"]).unwrap();
        first.replace(&[b"first, ", b"again"]).unwrap();
        let refused = second.check().unwrap_err().to_string();
        assert!(refused.contains("another agent"), "{refused}");
        second.replace(&[b"second"]).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"first, again");
        assert_eq!(files_in(folder.path()), 1);
        // When the first agent ends, its lock is released, so the second agent can write to the
        // path.
        drop(first);
        second.replace(&[b"second"]).unwrap();
    }

    #[test]
    fn an_unusable_path_is_detected_before_the_first_write() {
        let folder = tempfile::tempdir().unwrap();
        let check = |path: &Path| {
            let refused = LastGoodFile::new(path.to_owned()).check();
            refused.unwrap_err().to_string()
        };
        assert!(check(folder.path()).contains("is a directory"));
        let missing = check(&folder.path().join("missing/last-good"));
        assert!(missing.contains("cannot create files in"), "{missing}");
        // No process can create files in `/proc`, not even as root.
        let read_only = check(Path::new("/proc/last-good"));
        assert!(
            read_only.contains("cannot create files in /proc"),
            "{read_only}"
        );
        assert_eq!(files_in(folder.path()), 0);
    }

    /// A write to `/dev/full` fails in the same way as a write to a full disk.
    #[test]
    fn a_failed_write_changes_no_file_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-good");
        let file = LastGoodFile::new(path.clone());
        file.replace(&[b"good"]).unwrap();
        let mut temporary = Temporary::create(&path).unwrap();
        temporary.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        temporary.file.write_all(b"bad").unwrap_err();
        assert_eq!(files_in(folder.path()), 2);
        drop(temporary);
        assert_eq!(files_in(folder.path()), 1);
        assert_eq!(fs::read(&path).unwrap(), b"good");
    }
}
