//! Removes the name and the roles of the cluster user from error messages. OpenSearch includes the
//! user's name and roles in each error about a missing permission, but the agent's clients do not
//! need to know them.

const USER: &str = "User [";
const REDACTED: &str = "User [redacted]";

/// Replaces each `User [name=..., backend_roles=[...], ...]` in an error message by `User
/// [redacted]`.
pub(super) fn redact_users(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(USER) {
        redacted.push_str(&rest[..start]);
        redacted.push_str(REDACTED);
        rest = after_closing_bracket(&rest[start + USER.len()..]);
    }
    redacted + rest
}

/// Returns the text behind the closing bracket that belongs to an opening bracket in front of
/// `text`. Returns an empty string if `text` does not contain the closing bracket, because
/// OpenSearch may have truncated the error message.
fn after_closing_bracket(text: &str) -> &str {
    let mut depth = 1_usize;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[offset + 1..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_roles_are_removed_and_the_permission_stays() {
        for (text, expected) in [
            (
                "no permissions for [indices:data/read/search] and User [name=reader, \
                 backend_roles=[a, b[0]], requestedTenant=null] (403)",
                "no permissions for [indices:data/read/search] and User [redacted] (403)",
            ),
            ("cut: User [name=reader, backend_ro", "cut: User [redacted]"),
            (
                "User [name=a]; User [name=b]",
                "User [redacted]; User [redacted]",
            ),
            ("the connection failed", "the connection failed"),
        ] {
            assert_eq!(redact_users(text), expected);
        }
    }
}
