//! Tests that no text of an error in the status escapes its replacement.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::config::Config;
use crate::store::OpenSearchDirectiveStore;

#[test]
fn every_text_of_an_error_is_replaced() {
    let secret = || "User [name=reader]".to_owned();
    let config = Config::for_url("http://127.0.0.1:9200".parse().unwrap());
    let (store, _refresher) = OpenSearchDirectiveStore::build(config).unwrap();
    let mut status = store.status();
    status.last_error = Some(secret());
    status.last_good_error = Some(secret());
    status.reading.notes = vec![secret(), secret()];
    status.warnings = vec![secret()];
    status.recorder = Some(RecorderStatus {
        last_error: Some(secret()),
        ..RecorderStatus::default()
    });
    let count = |status: &Status| {
        let json = serde_json::to_string(status).unwrap();
        json.matches("User [").count()
    };
    assert_eq!(count(&status), 6);
    status.map_error_texts(|text| text.replace("User [", "User "));
    assert_eq!(count(&status), 0, "{status:#?}");
}
