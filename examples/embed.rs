//! Shows a program that embeds the store. Before you run this example, start a node with
//! `scripts/opensearch up` and create the index with `directives init`:
//!
//! ```sh
//! cargo run --example embed
//! ```

use opensearch_directives::{
    Clock as _, Config, DirectiveStore as _, EndpointKind, OpenSearchDirectiveStore, RequestAttrs,
    Startup, SystemClock,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::for_url("http://127.0.0.1:9200".parse()?)
        // With this setting, the program also starts if the cluster is unavailable, so that a proxy
        // can serve its traffic.
        .with_startup(Startup::LastGoodOrEmpty)
        .with_last_good(std::env::temp_dir().join("directives-last-good"));
    let store = OpenSearchDirectiveStore::start(config).await?;

    // A proxy evaluates each request once, as follows:
    let attrs = RequestAttrs::new("orders", "checkout", EndpointKind::Search).with_tenant("acme");
    let decision = store
        .load()
        .evaluate(&attrs, SystemClock.now(), "request-1");

    println!("record {} of this request", decision.level);
    Ok(())
}
