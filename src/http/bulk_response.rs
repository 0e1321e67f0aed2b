//! Decodes the response to a bulk request, and checks that the response contains one result for
//! each action.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Exception, RequestError, malformed};

/// The size limit of the body of one bulk request, in bytes. By default, many HTTP proxies refuse
/// bodies of more than 1 MB (in nginx, the setting `client_max_body_size`).
pub(crate) const BULK_BYTES: usize = 900 << 10;

/// The response of OpenSearch to a `_bulk` request, with one result for each action. `T` is the
/// type of one action's result, with only the fields that the caller needs.
#[derive(Deserialize)]
pub(crate) struct BulkResponse<T> {
    // Each item of a bulk response is a map with a single key, the name of the action, such as
    // `create`.
    items: Vec<HashMap<String, T>>,
}

/// The HTTP status of one action of a bulk request and, if the action failed, the reason.
#[derive(Deserialize)]
pub(crate) struct ActionStatus {
    pub(crate) status: u16,
    pub(crate) error: Option<Exception>,
}

impl<T> BulkResponse<T> {
    /// Returns the results of a bulk request in the order of its actions. Returns an error if the
    /// bulk response does not contain exactly `actions` results.
    pub(crate) fn results(self, actions: usize, operation: String) -> Result<Vec<T>, RequestError> {
        let items = self.items.into_iter();
        let results: Vec<T> = items.filter_map(|item| item.into_values().next()).collect();
        if results.len() == actions {
            Ok(results)
        } else {
            let problem = "the response lacks the result of some actions";
            Err(malformed(operation, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_response_without_a_result_for_each_action_is_malformed() {
        let body = r#"{"items":[{"create":{"status":201}},{"create":{"status":409}},{}]}"#;
        let results = |actions| {
            let response: BulkResponse<ActionStatus> = serde_json::from_str(body).unwrap();
            response.results(actions, "POST /i/_bulk".to_owned())
        };
        let status = |result: &ActionStatus| result.status;
        let statuses: Vec<u16> = results(2).unwrap().iter().map(status).collect();
        assert_eq!(statuses, [201, 409]);
        assert!(results(1).is_err());
        assert!(results(3).is_err());
    }
}
