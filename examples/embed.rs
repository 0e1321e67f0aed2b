//! The store in a program of your own. With a node from `scripts/opensearch up` and an
//! index from `directives init`:
//!
//! ```sh
//! cargo run --example embed
//! ```

use opensearch_directives::{
    Clock as _, Config, DirectiveStore as _, EndpointKind, OpenSearchDirectiveStore, RequestAttrs,
    SystemClock,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = OpenSearchDirectiveStore::start(Config::for_url("http://127.0.0.1:9200".parse()?));
    let store = store.await?;

    // Once a request:
    let attrs = RequestAttrs {
        tenant: Some("acme"),
        index: "orders",
        principal: "checkout",
        endpoint: EndpointKind::Search,
    };
    let decision = store
        .load()
        .evaluate(&attrs, SystemClock.now(), "request-1");

    println!("record {} of this request", decision.level);
    Ok(())
}
