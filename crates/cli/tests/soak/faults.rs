//! Injects faults into the connection between an agent and its node, and kills and restarts the
//! node.

use std::sync::Arc;
use std::time::Duration;

use test_support::node::Node;
use test_support::proxy::{Fault, Proxy};
use tokio::sync::Mutex;

/// How long each fault lasts before the task removes it.
const FAULT: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_secs(12);

/// Injects one fault after the other until the soak test aborts this task. After each kind of fault
/// has occurred once, kills the node, waits for [`FAULT`], and restarts the node with its data.
pub(crate) async fn inject(node: Arc<Mutex<Node>>, proxy: Arc<Proxy>) {
    loop {
        for fault in [
            Fault::Delay(Duration::from_millis(300)),
            Fault::Cut(40),
            Fault::BlackHole,
            Fault::Reset(40),
            Fault::Drip(Duration::from_millis(20)),
        ] {
            proxy.set(fault);
            tokio::time::sleep(FAULT).await;
            proxy.set(Fault::None);
            tokio::time::sleep(PAUSE).await;
        }
        let mut killed = Arc::clone(&node).lock_owned().await;
        killed.kill();
        tokio::time::sleep(FAULT).await;
        let restarted = tokio::task::spawn_blocking(move || killed.restart());
        restarted.await.unwrap();
        println!("the node was killed and restarted");
        tokio::time::sleep(PAUSE).await;
    }
}
