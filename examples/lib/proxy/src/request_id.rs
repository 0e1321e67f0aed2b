//! Takes the request id from the client's request, or creates a new request id.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the request id in the client's request, in the request to OpenSearch, and in the
/// response.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum length of a request id from a client, in bytes. The proxy replaces a longer request
/// id by a new one.
const MAX_LENGTH: usize = 128;

/// Returns the request id from the header `X-Request-Id` of a request. Creates a random id if
/// `X-Request-Id` is absent or occurs more than once, or if its value is blank, too long or not
/// ASCII text.
///
/// The request id decides whether a request is in the sample of a directive, so a client can choose
/// an id that puts its request into the sample. If your clients must not influence sampling, create
/// a new id for every request.
#[must_use]
pub fn ensure_request_id(headers: &HeaderMap) -> HeaderValue {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if is_acceptable(value) => value.clone(),
        _ => new_id(),
    }
}

fn is_acceptable(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|id| !id.trim().is_empty() && id.len() <= MAX_LENGTH)
}

fn new_id() -> HeaderValue {
    let id = format!("{:032x}", fastrand::u128(..));
    HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acceptable_id_is_kept_and_any_other_is_replaced() {
        let id_for = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(X_REQUEST_ID, HeaderValue::from_str(value).unwrap());
            }
            ensure_request_id(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(id_for(&["request-1"]), "request-1");
        let long = "x".repeat(MAX_LENGTH + 1);
        for values in [
            &[] as &[&str],
            &[" "],
            &["a", "b"],
            &[&long],
            &["caf\u{e9}"],
        ] {
            let id = id_for(values);
            assert_eq!(id.len(), 32, "{values:?}");
            assert_ne!(id, id_for(values));
        }
    }
}
