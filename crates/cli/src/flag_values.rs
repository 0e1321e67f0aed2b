//! Parses the values of flags: levels and classes of endpoints regardless of case, and sample rates
//! in percent or per mille.

use opensearch_directives::{DiagLevel, EndpointKind};

/// Parses the name of a level regardless of case.
pub(super) fn level(text: &str) -> Result<DiagLevel, String> {
    named("a level", text, DiagLevel::ALL, DiagLevel::as_str)
}

/// Parses the name of a class of endpoints regardless of case.
pub(super) fn endpoint(text: &str) -> Result<EndpointKind, String> {
    named("an endpoint", text, EndpointKind::ALL, EndpointKind::as_str)
}

/// Finds the value with the given name, such as a level. The function ignores case, `-` and `_` in
/// the name.
fn named<T: Copy>(
    what: &str,
    text: &str,
    known: &[T],
    name_of: fn(T) -> &'static str,
) -> Result<T, String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let mut values = known.iter().copied();
    if let Some(value) = values.find(|&value| plain(name_of(value)) == plain(text)) {
        return Ok(value);
    }
    let names: Vec<&str> = known.iter().copied().map(name_of).collect();
    let nearest = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&plain(name), &plain(text)), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.8)
        .map(|(_, name)| name)
        // If no name is similar to the text, the error message suggests a name that contains the
        // text, such as `IngestBulk` for `bulk`.
        .or_else(|| {
            let is_word = plain(text).len() > 3;
            let mut names = names.iter();
            names.find(|name| is_word && plain(name).contains(&plain(text)))
        });
    let hint = match nearest {
        Some(name) => format!("did you mean {name}? "),
        None => String::new(),
    };
    Err(format!(
        "it is not {what}; {hint}Write one of {}",
        names.join(", ")
    ))
}

/// Parses a sample rate in percent (`10%`, `0.5%`) or per mille (`5‰`), and returns it per mille.
pub(super) fn sample(text: &str) -> Result<u16, String> {
    let wrong = || "it is not a sample rate; write 10% or 100‰, in steps of 0.1%".to_owned();
    let (number, scale) = match (text.strip_suffix('%'), text.strip_suffix('‰')) {
        (Some(number), _) => (number, 10.0),
        (None, Some(number)) => (number, 1.0),
        (None, None) => return Err(wrong()),
    };
    let rate: f64 = number.trim().parse().map_err(|_| wrong())?;
    let per_mille = rate * scale;
    let whole = (0_u16..=1000).find(|whole| (f64::from(*whole) - per_mille).abs() < 1e-6);
    whole.ok_or_else(wrong)
}

/// Formats a sample rate per mille for the output, such as `5 ‰`.
pub(super) fn per_mille(rate: u16) -> String {
    format!("{rate} ‰")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_are_accepted_in_any_case_and_the_nearest_is_suggested() {
        assert_eq!(level("shape-timing"), Ok(DiagLevel::ShapeTiming));
        assert_eq!(level("OFF"), Ok(DiagLevel::Off));
        assert_eq!(endpoint("ingest_bulk"), Ok(EndpointKind::IngestBulk));
        for (text, says) in [
            ("shap", "mean Shape?"),
            ("ShapeTimings", "mean ShapeTiming?"),
        ] {
            let error = level(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(endpoint("Bulk").unwrap_err().contains("mean IngestBulk?"));
        let error = level("loud").unwrap_err();
        assert!(error.contains("Write one of Off, Shape,"), "{error}");
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn a_sample_rate_has_a_unit() {
        for (text, rate) in [
            ("10%", 100),
            ("0.5%", 5),
            ("100%", 1000),
            ("0%", 0),
            ("5‰", 5),
        ] {
            assert_eq!(sample(text), Ok(rate), "{text}");
        }
        for text in ["", "10", "101%", "-1%", "0.05%", "NaN%", "ten%"] {
            assert!(sample(text).is_err(), "{text}");
        }
    }
}
