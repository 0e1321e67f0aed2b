//! Creates and removes the agent's Unix socket file, and ensures that only one agent at a time uses
//! its path.
//!
//! Two agents with the same socket path must not replace each other's socket file. A socket file
//! that a killed agent has left behind must not prevent the next start of an agent. An agent
//! therefore locks the file `PATH.lock`, which shows without a race whether the agent that created
//! the socket file is still running. Only the agent that holds the lock may use the socket path,
//! and the operating system releases the lock when the agent's process ends. No agent ever removes
//! the lock file `PATH.lock`.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// The maximum number of connections that the operating system queues until the agent accepts them.
const BACKLOG: u32 = 1024;

/// A Unix socket on which the agent listens. Dropping this value removes the socket file.
#[derive(Debug)]
pub(in super::super) struct SocketFile {
    listener: UnixListener,
    path: PathBuf,
    /// The device and inode numbers of the agent's own socket file; a file of another program has
    /// other numbers.
    identity: (u64, u64),
    _lock: File,
}

impl SocketFile {
    /// Creates a Unix socket at the given path and listens on it. The function sets the mode of the
    /// socket file before the first client can connect.
    pub(super) fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        let lock = lock(path)?;
        remove_stale(path)?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Clients can connect only after the call of `listen`, so setting the mode of the socket
        // file here is early enough.
        let listener = fs::set_permissions(path, Permissions::from_mode(mode))
            .and_then(|()| socket.listen(BACKLOG));
        let found = listener.and_then(|listener| Ok((listener, identity(path)?)));
        match found {
            Ok((listener, identity)) => Ok(Self {
                listener,
                path: path.to_owned(),
                identity,
                _lock: lock,
            }),
            Err(error) => {
                // If removing the socket file fails, the file stays until the next start of an
                // agent removes it.
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // If another program has replaced the socket file, the agent does not remove it, because it
        // is the other program's file.
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // If removing the socket file fails, the file stays until the next start of an agent
            // removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Locks the file `PATH.lock`, so that only this process uses the path of the socket. The process
/// holds the lock until the returned file is closed.
fn lock(path: &Path) -> io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&beside)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another agent uses this path; use another path",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes the socket file at a path if no process listens on it.
fn remove_stale(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let in_use = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !file.file_type().is_socket() {
        return in_use("this file is not a socket; use another path");
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => in_use("another program listens on this socket; use another path"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Parses the mode of a socket file from octal digits, such as `660`.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600)
        .ok_or_else(|| {
            "it is not a mode that permits access by the owner; write one such as 600, 660 or 666"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_path_belongs_to_one_agent_and_only_a_stale_socket_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let first = SocketFile::bind(&path, 0o600).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let refused = SocketFile::bind(&path, 0o600).unwrap_err().to_string();
        assert!(refused.contains("another agent"), "{refused}");
        drop(first);
        assert!(!path.exists());

        // The test leaves a socket file behind, as a killed agent does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(SocketFile::bind(&path, 0o660).unwrap());

        // The test now listens on the path itself without taking the lock, as another program
        // would.
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let refused = SocketFile::bind(&path, 0o600).unwrap_err().to_string();
        assert!(refused.contains("another program"), "{refused}");
        drop(other);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "kept").unwrap();
        let refused = SocketFile::bind(&path, 0o600).unwrap_err().to_string();
        assert!(refused.contains("not a socket"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }

    #[tokio::test]
    async fn a_file_that_another_program_put_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let ours = SocketFile::bind(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        drop(ours);
        assert!(path.exists());
    }

    #[test]
    fn a_mode_is_octal_and_admits_the_owner() {
        assert_eq!(mode("660"), Ok(0o660));
        for wrong in ["", "rw", "1777", "88", "060", "400"] {
            mode(wrong).unwrap_err();
        }
    }
}
