//! Reads the longest time to live that the ingest pipeline permits, so that the store can compare
//! it with `max_ttl`.

use std::collections::HashMap;
use std::time::Duration;

use opensearch::ingest::IngestGetPipelineParts;
use serde::Deserialize;

use super::poll_session::Session;
use super::read_error::ReadError;
use crate::http::{Method, Request};

/// Every index of directives uses the ingest pipeline with this name.
pub(crate) const PIPELINE: &str = "directives";

#[derive(Debug, Deserialize)]
struct Pipeline {
    #[serde(default)]
    processors: Vec<Processor>,
}

#[derive(Debug, Deserialize)]
struct Processor {
    script: Option<Script>,
}

#[derive(Debug, Deserialize)]
struct Script {
    params: Option<Params>,
}

#[derive(Debug, Deserialize)]
struct Params {
    max_ttl_secs: Option<u64>,
}

impl Session {
    /// Returns the longest time to live of a directive that the ingest pipeline permits. Returns
    /// `None` if there is no ingest pipeline, if the pipeline sets no limit, or if the role may not
    /// read the pipeline.
    ///
    /// # Errors
    /// Returns an error if the request for the ingest pipeline receives no usable response. A
    /// refusal because of the role, or a missing pipeline, is not an error.
    pub(crate) async fn pipeline_max_ttl(&self) -> Result<Option<Duration>, ReadError> {
        let request = Request::new(Method::Get, IngestGetPipelineParts::Id(PIPELINE).url())
            .with_small_response()
            .query("filter_path", "*.processors.script.params.max_ttl_secs");
        match self.try_send(request).await {
            Ok(body) => Ok(max_ttl(&body)),
            Err(error) if error.is_unsupported() => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }
}

fn max_ttl(body: &[u8]) -> Option<Duration> {
    let mut response: HashMap<String, Pipeline> = serde_json::from_slice(body).ok()?;
    let processors = response.remove(PIPELINE)?.processors;
    let mut seconds = processors
        .into_iter()
        .filter_map(|processor| processor.script?.params?.max_ttl_secs);
    seconds.next().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_found_wherever_the_script_stands() {
        for (body, bound) in [
            (
                r#"{"directives":{"processors":[{"script":{"params":{"max_ttl_secs":60}}}]}}"#,
                Some(60),
            ),
            (
                r#"{"directives":{"processors":[{"set":{}},{"script":{"params":{"max_ttl_secs":60}}}]}}"#,
                Some(60),
            ),
            (
                r#"{"directives":{"processors":[{"script":{"params":{}}}]}}"#,
                None,
            ),
            (
                r#"{"other":{"processors":[{"script":{"params":{"max_ttl_secs":60}}}]}}"#,
                None,
            ),
            ("{}", None),
            ("<html>", None),
        ] {
            let bound = bound.map(Duration::from_secs);
            assert_eq!(max_ttl(body.as_bytes()), bound, "{body}");
        }
    }
}
