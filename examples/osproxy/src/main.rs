//! Runs the osproxy example until the process receives SIGINT. The variable `DIRECTIVES_URL` sets
//! the address of the cluster, `DIRECTIVES_INDEX` sets the index of the directives, and
//! `OSPROXY_LISTEN` sets the address of the proxy. The variable `RUST_LOG` selects the events that
//! the proxy logs.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use opensearch_directives::error::chain as error_chain;
use opensearch_directives::{ClusterConfig, Config, OpenSearchDirectiveStore};
use opensearch_directives_osproxy::OsproxyDirectiveStore;
use osproxy_core::SystemClock;
use osproxy_example::{Parts, PrintedSpans, handler};
use tokio::net::TcpListener;
use url::Url;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let url: Url = variable("DIRECTIVES_URL", "http://127.0.0.1:9200").parse()?;
    let index = variable("DIRECTIVES_INDEX", "directives");
    let listener = TcpListener::bind(variable("OSPROXY_LISTEN", "127.0.0.1:9981")).await?;

    // The directive store polls the index and publishes directive sets, which the adapter passes to
    // osproxy.
    let cluster = ClusterConfig::new([url.clone()]).with_index(index);
    let config = Config::new(cluster).with_interval(Duration::from_secs(1));
    let store = Arc::new(OpenSearchDirectiveStore::start(config).await?);
    // The adapter must use the same clock as osproxy's pipeline, which is the system clock by
    // default.
    let clock = Arc::new(SystemClock);
    let directives = OsproxyDirectiveStore::start(Arc::clone(&store), clock).await;

    let handler = handler(Parts {
        upstream: url.as_str().trim_end_matches('/').to_owned(),
        directives: Arc::new(directives),
        exporter: Arc::new(PrintedSpans::start()),
        capture: None,
        tape: 100,
    });
    println!("listening on http://{}", listener.local_addr()?);
    osproxy_transport::serve_with_shutdown(listener, handler, interrupted()).await?;
    store.shutdown().await;
    Ok(())
}

fn variable(name: &str, usual: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| usual.to_owned())
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // If the program cannot install a signal handler, the proxy runs until somebody kills the
        // process.
        std::future::pending::<()>().await;
    }
}
