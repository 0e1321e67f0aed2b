//! Shows how a program embeds a directive store. Before you run this example, start an OpenSearch
//! node with `scripts/opensearch up` and create the index with `directives init`:
//!
//! ```sh
//! cargo run --example embed
//! ```

use opensearch_directives::{
    Clock as _, Config, Decision, DirectiveStore as _, EndpointKind, OpenSearchDirectiveStore,
    RequestAttrs, RequestId, Startup, SystemClock,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::for_url("http://127.0.0.1:9200".parse()?)
        // With `Startup::LastGoodOrEmpty`, the program starts even if the cluster is unavailable,
        // so that a proxy can always serve its traffic.
        .with_startup(Startup::LastGoodOrEmpty)
        .with_last_good(std::env::temp_dir().join("directives-last-good"));
    let store = OpenSearchDirectiveStore::start(config).await?;

    let decision = evaluate(&store, Some("3f2b8c1e"));
    println!("record {} of this request", decision.level);
    Ok(())
}

/// Evaluates one request, as a proxy does once for each request. The argument `x_request_id` is the
/// value of the header that contains the request id, or `None` without such a header.
fn evaluate(store: &OpenSearchDirectiveStore, x_request_id: Option<&str>) -> Decision {
    let attrs = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant("acme");
    // Each request needs a different request id, because the id decides whether the request is in
    // the sample of a directive.
    let request_id = RequestId::from_header(x_request_id);
    store
        .load()
        .evaluate(&attrs, SystemClock.now(), request_id.as_str())
}
