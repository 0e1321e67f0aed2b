//! Takes the id of a request from the client, or creates a new id.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that contains the request id. The client's request, the request to OpenSearch, and
/// the response contain the request id in this header.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum length of a request id, in bytes. If a client sends a longer id, the proxy creates a
/// new id.
const MAX_LENGTH: usize = 128;

/// Returns the value of `X-Request-Id`. Creates a random id if `X-Request-Id` is absent or occurs
/// more than once, or if its value is blank, too long or not ASCII text.
///
/// The id decides whether a request is in a sample. Therefore, a client can choose an id that puts
/// its request into the sample. If your clients must not influence sampling, create an id for every
/// request yourself.
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
