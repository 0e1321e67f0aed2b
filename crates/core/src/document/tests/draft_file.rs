//! Tests every format of an import file, and every reason why the parser refuses an import file.

use std::error::Error as _;

use proptest::collection::vec;
use proptest::prelude::*;

use super::generators;
use crate::document::{Draft, ImportError, ImportErrorKind as Kind, parse_drafts};

const A: &str = r#"{"id":"a","level":"Shape","ttl_secs":60}"#;
const B: &str = r#"{"id":"b","level":"Off","ttl_secs":5,"tenant":"acme"}"#;

fn drafts() -> Vec<Draft> {
    [A, B]
        .map(|source| Draft::from_json(source).unwrap())
        .into()
}

fn parse(input: &str) -> Result<Vec<Draft>, ImportError> {
    parse_drafts(input.as_bytes())
}

#[track_caller]
fn kind(input: &str) -> Kind {
    parse(input).expect_err("it is refused").kind()
}

#[track_caller]
fn error(input: &str) -> String {
    parse(input).expect_err(input).to_string()
}

#[test]
fn every_format_leads_to_the_same_drafts_in_order() {
    let pretty = B.replace(',', ",\r\n\t").replace('{', "{\n");
    for input in [
        format!("{A}\n{B}"),
        format!("{A}\n{B}\n"),
        format!("\n\n{A}\r\n \t\r\n\n{B}\n\n"),
        format!("{A} {B}"),
        format!("{A}\n{pretty}"),
        format!("[{A},{B}]"),
        format!(" [\n{A} , {pretty}\n] \n"),
        format!("{{\"directives\":[{A},{B}]}}"),
        format!("\n{{ \"directives\" : [ {A},\n{pretty}] }}\n"),
        format!("{{\"\\u0064irectives\":[{A},{B}]}}"),
    ] {
        for input in [input.clone(), format!("\u{feff}{input}")] {
            assert_eq!(parse(&input).expect(&input), drafts(), "{input}");
        }
    }
    for input in [
        A.to_owned(),
        format!("[{A}]"),
        format!("{{\"directives\":[{A}]}}"),
    ] {
        assert_eq!(parse(&input).unwrap(), drafts()[..1], "{input}");
    }
}

#[test]
fn an_input_without_an_entry_is_reported_as_empty() {
    for input in [
        "",
        " ",
        "\n\r\n\t",
        "\u{feff}",
        "\u{feff}\n",
        "[]",
        "[ ]",
        "{\"directives\":[]}",
    ] {
        assert_eq!(kind(input), Kind::Empty, "{input:?}");
    }
}

#[test]
fn an_input_that_is_not_text_or_not_json_is_refused_with_the_reason() {
    let mut bytes = A.as_bytes().to_vec();
    bytes[8] = 0xff;
    let error = parse_drafts(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the input is not UTF-8");
    assert!(error.source().unwrap().to_string().contains("index 8"));
    for input in [
        format!("{A}\n{B}\nlevel: Shape"),
        format!("{A},{B}"),
        format!("[{A},{B}"),
        format!("[{A},]"),
        format!("[{A}]\n[{B}]"),
        format!("[{A}] {B}"),
        format!("{A}\n{{"),
        "}".to_owned(),
        format!("{A}\u{feff}"),
    ] {
        let error = parse(&input).expect_err(&input);
        assert_eq!(error.kind(), Kind::NotJson, "{input}: {error}");
        assert_eq!(error.to_string(), "the input is not JSON");
        assert!(
            error.source().unwrap().to_string().contains("line"),
            "{input}"
        );
    }
    let error = parse(&format!("{A}\n{B}\n!")).unwrap_err();
    assert!(error.source().unwrap().to_string().contains("line 3"));
}

#[test]
fn an_input_that_is_too_large_is_not_read() {
    let input = vec![b' '; (64 << 20) + 1];
    let error = parse_drafts(&input).unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);
    assert_eq!(
        error.to_string(),
        "the input has more than 67108864 bytes; split it"
    );
    assert_eq!(parse_drafts(&input[1..]).unwrap_err().kind(), Kind::Empty);
}

#[test]
fn an_input_of_too_many_entries_is_not_read() {
    let many = vec!["7"; 200_001];
    assert_eq!(kind(&many.join(" ")), Kind::TooManyEntries);
    for input in [
        format!("[{}]", many.join(",")),
        format!("{{\"directives\":[{}]}}", many.join(",")),
    ] {
        let source = parse(&input).unwrap_err();
        let source = source.source().unwrap().to_string();
        assert!(
            source.starts_with("the input has more than 200000 entries"),
            "{source}"
        );
    }
    let most = error(&many[1..].join(" "));
    assert!(most.starts_with("200000 of the entries"), "{most}");
}

#[test]
fn every_entry_that_is_wrong_is_listed() {
    let input = format!(
        "{A}\n{}\n{}\n[]\n{B}\n{A}\n{}",
        r#"{"id":"wide","level":"Shape","ttl_secs":60,"tenant":42}"#,
        r#"{"level":"Shape","ttl_secs":60}"#,
        r#"{"id":"late","level":"Shape","ttl_secs":60,"x":1}"#,
    );
    // In the files of this test, each entry begins on its own line. The argument `before` is the
    // number of lines before the first entry of the file.
    let expected = |before: usize| {
        format!(
            "5 of the entries cannot be used
  line {}, entry 2 (wide): tenant: 42 is not a name; write a non-empty text, or leave the field out to match every tenant
  line {}, entry 3: id: missing; it is required
  line {}, entry 4: _source: [] is not a JSON object
  line {}, entry 6 (a): id: the input contains this id twice; remove one of the entries
  line {}, entry 7 (late): x: is not a field of a directive; correct the name or leave it out",
            before + 2,
            before + 3,
            before + 4,
            before + 6,
            before + 7,
        )
    };
    assert_eq!(error(&input), expected(0));
    assert_eq!(error(&format!("\u{feff}\n\r\n{input}")), expected(2));
    let array = format!("[{}]", input.replace('\n', ",\n"));
    assert_eq!(error(&array), expected(0));
    assert_eq!(error(&format!("{{\"directives\":\n{array}}}")), expected(1));
}

#[test]
fn a_repeated_id_is_detected_in_every_notation() {
    let input = format!("{A}\n{}", A.replace("\"a\"", "\"\\u0061\""));
    assert!(error(&input).contains("entry 2 (a): id: the input contains this id twice"));
}

#[test]
fn problems_beyond_the_first_twenty_are_counted() {
    for count in [20, 21, 1000] {
        let text = error(&"{}\n".repeat(count));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("{count} of the entries cannot be used"));
        assert_eq!(
            lines[20],
            "  line 20, entry 20: id: missing; it is required"
        );
        match count - 20 {
            0 => assert_eq!(lines.len(), 21),
            more => assert_eq!(lines[21..], [format!("  and {more} more")]),
        }
    }
}

#[test]
fn fields_of_the_pipeline_cannot_be_imported() {
    for name in [
        "created_at",
        "created_by",
        "updated_at",
        "authenticated_as",
        "revoked_at",
        "revoked_by",
    ] {
        for value in ["\"2030-01-01T00:00:00Z\"", "null"] {
            let input = A.replace("\"level\"", &format!("\"{name}\":{value},\"level\""));
            let expected = format!(
                "1 of the entries cannot be used\n  line 1, entry 1 (a): {name}: is set by the \
                 command or the pipeline; leave it out"
            );
            assert_eq!(error(&input), expected);
        }
    }
}

#[test]
fn a_blob_contains_only_its_directives() {
    for input in [
        format!("{{\"directives\":[{A}],\"extra\":1}}"),
        format!("{{\"directives\":{A}}}"),
        "{\"directives\":42}".to_owned(),
    ] {
        let error = parse(&input).expect_err(&input);
        assert_eq!(error.kind(), Kind::NotABlob, "{input}");
        assert!(error.source().is_some());
    }
}

/// A blob is a list of directives in osproxy's format: an object with only the key `directives`.
/// The parser treats any other object as a single draft, and refuses it because it is not a valid
/// draft.
#[test]
fn an_object_that_is_not_a_blob_is_an_entry() {
    for input in [
        format!("{{\"directives\":[{A}],\"directives\":[{B}]}}"),
        format!("{{\"directives\":[{A}]}}\n{{\"directives\":[{B}]}}"),
        "{\"directives\":null}".to_owned(),
        "{\"Directives\":[]}".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "\"a\"".to_owned(),
    ] {
        let error = parse(&input).expect_err(&input);
        assert!(error.kind() == Kind::WrongEntries, "{input}: {error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_drafts_or_refused(bytes in vec(any::<u8>(), 0..200), text in generators::text()) {
        let _: Result<_, _> = parse_drafts(&bytes);
        let _: Result<_, _> = parse(&text);
    }

    #[test]
    fn any_json_is_drafts_or_refused(values in vec(generators::json(), 0..4)) {
        let lines: Vec<String> = values.iter().map(ToString::to_string).collect();
        for input in [lines.join("\n"), format!("[{}]", lines.join(",")),
                      format!("{{\"directives\":[{}]}}", lines.join(","))] {
            if let Err(error) = parse(&input) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

#[test]
fn deeply_nested_json_is_refused_without_a_stack() {
    for (open, close) in [("[", "]"), ("{\"directives\":[", "]}"), ("{\"id\":", "}")] {
        let depth = 100_000;
        assert!(parse(&open.repeat(depth)).is_err());
        assert!(parse(&format!("{}0{}", open.repeat(depth), close.repeat(depth))).is_err());
    }
}
