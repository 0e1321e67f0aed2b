//! Finds all texts in a status that can contain an error message, so that an agent can redact them
//! for some readers of the status.

use crate::status::Status;

impl Status {
    /// Replaces each text that can contain an error message, for example to redact the text for
    /// some readers of the status.
    pub fn map_error_texts(&mut self, map: impl Fn(&str) -> String) {
        let recorder = self
            .recorder
            .as_mut()
            .map(|recorder| &mut recorder.last_error);
        let errors = [&mut self.last_error, &mut self.last_good_error];
        let errors = errors.into_iter().chain(recorder).flatten();
        let lists = [&mut self.reading.notes, &mut self.warnings];
        for text in errors.chain(lists.into_iter().flatten()) {
            *text = map(text);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::Config;
    use crate::status::RecorderStatus;
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
}
