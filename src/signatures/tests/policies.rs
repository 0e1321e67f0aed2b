//! Tests to which directives the rules of a policy file apply, and which errors an invalid policy
//! file causes.

use opensearch_directives_core::{DiagLevel, EndpointKind};

use super::*;
use crate::error::chain;
use crate::signatures::{DirectiveClass, SignatureErrorKind};

const SITE: &str = r#"{"rules": [
    {"signers": 1},
    {"for": ["capture", "everything", "above Shape"], "signers": 2, "of": ["alice", "bob"]}
]}"#;

#[test]
fn a_class_contains_a_directive_by_one_property() {
    let targeted = |match_: DirectiveMatch| {
        let mut directive = directive();
        directive.match_ = match_;
        directive
    };
    let all = DirectiveMatch::all;
    let mut timing = directive();
    timing.level = DiagLevel::ShapeTiming;
    for (directive, expected) in [
        (directive(), None),
        (directive().with_capture(true), Some("capture")),
        (directive().with_ring_buffer(true), Some("ring_buffer")),
        (timing, Some("above Shape")),
        (targeted(all()), Some("everything")),
        (targeted(all().for_index("i")), None),
        (targeted(all().for_principal("p")), None),
        (targeted(all().for_endpoint(EndpointKind::Count)), None),
    ] {
        let classes = ["capture", "ring_buffer", "everything", "above Shape"];
        let found: Vec<&str> = classes
            .into_iter()
            .filter(|class| {
                let class: DirectiveClass = class.parse().unwrap();
                class.contains(&directive.as_ref())
            })
            .collect();
        assert_eq!(found, Vec::from_iter(expected), "{directive:?}");
    }
}

#[test]
fn a_directive_of_wide_effect_needs_two_signers_of_a_group() {
    let (alice, bob, carol) = (key("alice"), key("bob"), key("carol"));
    let policy = SignaturePolicy::parse(SITE).unwrap();
    let trust = trust(&[&alice, &bob, &carol], policy);
    let narrow = directive();
    check(&trust, &signed(&narrow, &[&carol])).unwrap();
    assert_eq!(
        reason(&trust, &signed(&narrow, &[])),
        Some(Reason::TooFewSigners)
    );
    let mut timing = narrow.clone();
    timing.level = DiagLevel::ShapeTiming;
    let mut everything = narrow.clone();
    everything.match_ = DirectiveMatch::all();
    for wide in [narrow.clone().with_capture(true), timing, everything] {
        check(&trust, &signed(&wide, &[&alice, &bob])).unwrap();
        for keys in [&[&alice][..], &[&alice, &carol], &[&carol]] {
            let rejection = check(&trust, &signed(&wide, keys)).unwrap_err();
            assert_eq!(rejection.reason(), Reason::TooFewSigners);
            assert!(rejection.value().ends_with(" of 2"), "{rejection}");
        }
    }
    let mut off = narrow.with_ring_buffer(true);
    off.level = DiagLevel::Off;
    check(&trust, &signed(&off, &[&carol])).unwrap();
}

#[test]
fn what_is_wrong_with_a_policy_is_said_with_its_place() {
    for (json, problem) in [
        ("", "it is not the JSON of a signature policy"),
        ("[]", "it is not the JSON of a signature policy"),
        (
            r#"{"rules":[{"signers":1}],"more":1}"#,
            "unknown field `more`",
        ),
        (
            r#"{"rules":[{"signers":1,"above":"Shape"}]}"#,
            "unknown field `above`",
        ),
        (r#"{"rules":[{}]}"#, "missing field `signers`"),
        (r#"{"rules":[{"signers":-1}]}"#, "invalid value"),
        (r#"{"rules":[]}"#, "rules: there are 0; write 1 to 100"),
        (
            r#"{"rules":[{"signers":0}]}"#,
            "rules[0].signers: 0 of 8 cannot sign",
        ),
        (
            r#"{"rules":[{"signers":9}]}"#,
            "rules[0].signers: 9 of 8 cannot sign",
        ),
        (
            r#"{"rules":[{"signers":1},{"signers":2,"of":["alice"]}]}"#,
            "rules[1].signers: 2 of 1 cannot sign; write a number from 1 to 1",
        ),
        (
            r#"{"rules":[{"signers":1,"of":["alice","alice"]}]}"#,
            "rules[0].of: it lists a signer twice",
        ),
        (
            r#"{"rules":[{"signers":1,"of":["al ice"]}]}"#,
            "rules[0].of: \"al ice\" cannot be the name of a signer",
        ),
        (
            r#"{"rules":[{"signers":1,"for":[]}]}"#,
            "rules[0].for: it is empty",
        ),
        (
            r#"{"rules":[{"signers":1,"for":["capture","above Shpe"]}]}"#,
            "rules[0].for[1]: \"above Shpe\" is not a class of directives; write \"capture\"",
        ),
    ] {
        let error = SignaturePolicy::parse(json).unwrap_err();
        assert_eq!(error.kind(), SignatureErrorKind::Policy);
        let text = chain(&error);
        assert!(text.contains(problem), "{json}: {text}");
    }
    let policy = SignaturePolicy::parse(SITE).unwrap();
    assert_eq!(policy.rules()[1].classes.len(), 3);
    for class in &policy.rules()[1].classes {
        assert_eq!(class.to_string().parse(), Ok(*class));
    }
}
