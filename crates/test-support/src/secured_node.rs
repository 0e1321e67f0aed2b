//! Starts a real OpenSearch node with the security plugin. A test accesses the node with the
//! certificates and the administrator's password that this module provides.

use std::path::PathBuf;
use std::process::Child;

use tempfile::TempDir;

use super::node_launcher;

/// The name of the administrator, a user with every permission.
pub const ADMIN: &str = "admin";
/// The password of [`ADMIN`].
pub const ADMIN_PASSWORD: &str = "admin";

/// A node that requires TLS and authentication. The node is stopped when the `SecuredNode` is
/// dropped, or at the latest when the test process ends.
#[derive(Debug)]
pub struct SecuredNode {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl SecuredNode {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The security plugin stores the audit log only if this setting exists when the node
        // starts. The plugin writes nothing into the audit log until a test configures the audit
        // log.
        let log = "plugins.security.audit.type=internal_opensearch";
        let options = ["--security", "--setting", log].map(str::to_owned);
        let (process, port) = node_launcher::start(directory.path(), 0, &options, &[]).ready();
        Self {
            process,
            port,
            directory,
        }
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Returns the path of one of the node's files: `ca.pem`, `other-ca.pem`, `client.pem`,
    /// `client-key.pem` or `jwt-key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("security").join(name)
    }
}

impl Drop for SecuredNode {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
