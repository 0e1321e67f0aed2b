//! A reverse proxy in front of OpenSearch, built on Pingora. The proxy reads its directives from an
//! index of the same cluster. The README of the example describes the settings of the proxy.

#![forbid(unsafe_code)]

mod proxy;
mod refresh;

use std::error::Error;
use std::sync::Arc;

use example_proxy::{Recorder, Settings, evaluator};
use opensearch_directives::OpenSearchDirectiveStore;
use pingora::proxy::http_proxy_service;
use pingora::server::Server;
use pingora::server::configuration::Opt;
use pingora::services::background::background_service;
use tracing_subscriber::EnvFilter;

use proxy::Proxy;
use refresh::Refresh;

fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::from_env()?;
    let mut server = Server::new(Opt::parse_args())?;
    server.bootstrap();

    // If Pingora runs as a daemon, it forks after this point, and threads do not survive a fork.
    // The program therefore calls `build`, which starts no thread, and lets Pingora start the
    // refresher as a service after the fork.
    let (store, refresher) = OpenSearchDirectiveStore::build(settings.config())?;
    let store = Arc::new(store);
    let recorder = Arc::new(Recorder::default());
    server.add_service(background_service(
        "directives",
        Refresh::new(refresher, Arc::clone(&recorder)),
    ));

    let proxy = Proxy::new(&settings, evaluator(store), recorder)?;
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(&settings.listen);
    server.add_service(service);
    server.run_forever()
}
