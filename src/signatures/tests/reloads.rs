//! Tests that polls continue with the last good keys while the file system of the keys does not
//! respond.

#![cfg(unix)]

use std::fs;
use std::process::Command;
use std::thread;

use tokio::time::{Instant, advance};

use super::*;
use crate::config::Config;
use crate::http::ClusterConfig;
use crate::signatures::SignatureChecks;
use crate::signatures::trust_reload::Verifier;

#[tokio::test(start_paused = true)]
async fn a_key_file_that_cannot_be_read_in_time_leaves_the_last_good_keys_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pipe) = (folder.path().join("keys"), folder.path().join("pipe"));
    let line = |name: &str| format!("{}\n", key(name).public());
    fs::write(&file, line("alice")).unwrap();
    let url = "http://127.0.0.1:9200".parse().unwrap();
    let config = Config::new(ClusterConfig::new([url]))
        .with_signatures(SignatureChecks::new([file.clone()]));
    let verifier = Verifier::new(&config).unwrap();
    let keys = verifier.trusted_keys();

    // The read of a pipe blocks until its writer closes it, like a file on a mount that does not
    // respond.
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    fs::rename(&pipe, &file).unwrap();
    let path = file.clone();
    let writer = thread::spawn(move || fs::OpenOptions::new().write(true).open(path));
    let minute = Duration::from_secs(60);
    for failures in 1..=2 {
        advance(minute).await;
        tokio::join!(verifier.renew(), advance(minute / 2));
        assert_eq!(verifier.reloads(), (0, failures));
        let begun = Instant::now();
        verifier.renew().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
    // A poll that ends during the read does not make the next poll wait.
    advance(minute).await;
    assert!(futures_util::poll!(Box::pin(verifier.renew())).is_pending());
    let begun = Instant::now();
    verifier.renew().await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!((verifier.trusted_keys(), verifier.generation()), (keys, 1));

    // When the read ends, the store reads the file again. The writer has opened the pipe as soon as
    // the read has begun.
    let writer = writer.join().unwrap().unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, line("bob")).unwrap();
    drop(writer);
    for _ in 0..2 {
        advance(minute).await;
        verifier.renew().await;
    }
    assert!(verifier.trusted_keys()[0].starts_with("bob:"));
}
