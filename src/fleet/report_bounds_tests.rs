//! Tests the bounds of a report: its lists and the lengths of its texts.

use super::*;

/// A source that returns more directives and rejections than a report lists.
#[derive(Debug)]
struct Large;

impl SnapshotSource for Large {
    fn poll<'a>(&'a mut self, _published: PublishedState<'a>) -> PollFuture<'a> {
        let now = SystemClock.now();
        let directive = |n: u32| {
            DiagnosticsDirective::new(format!("d{n}"), DiagLevel::Shape, jiff::Timestamp::MAX)
        };
        let set = DirectiveSet::from_directives((0..60).map(directive).collect());
        let limits = DecodeLimits {
            now,
            max_ttl: HEARTBEAT,
        };
        let rejection = |n: u32| {
            let id = format!("{n}{}", "x".repeat(400));
            decode(&id, "{}", &limits).unwrap_err()
        };
        let snapshot = Snapshot::new(set, Revision::new("directives", "uuid"), now)
            .with_rejections((0..30).map(rejection).collect());
        let polled = Polled::changed(1, snapshot, now);
        async { Ok(polled) }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_lists_a_bounded_number_of_rejections_and_hits() {
    let fleet = Fleet::new(Index::Accepts);
    let config = Config::for_source("a test").with_hit_counts();
    let (store, refresher) = OpenSearchDirectiveStore::build_from(config, Large).unwrap();
    tokio::spawn(refresher.run());
    store.ready(SECOND).await.unwrap();
    let now = SystemClock.now();
    let _ = (store.load()).evaluate(&RequestAttrs::default(), now, "request-1");
    let cluster = ClusterConfig::new(["http://fleet.example".parse().unwrap()]);
    let client = Client::over(Arc::clone(&fleet) as Arc<dyn Transport>, &cluster);
    let reporter = Reporter::over(&store, client).with_host("h".repeat(1_000));
    let _reporting = tokio::spawn(reporter.run());
    tokio::time::sleep(SECOND * 5).await;
    let report = fleet.last();
    assert_eq!(
        (&report["directives"], &report["rejected"]),
        (&json!(60), &json!(30))
    );
    let rejections = report["rejections"].as_array().unwrap();
    assert_eq!(rejections.len(), 20);
    assert_eq!(report["hits"].as_array().unwrap().len(), 50);
    assert_eq!(report["hits_omitted"], 10);
    let longest = |text: &Value| text.as_str().unwrap().chars().count();
    assert_eq!(longest(&report["host"]), 300);
    for rejection in rejections {
        assert_eq!(longest(&rejection["id"]), 300);
        assert!(longest(&rejection["reason"]) <= 300, "{rejection}");
        let id = rejection["id"].as_str().unwrap();
        assert!(id.ends_with("x…"), "a shortened text says so: {id}");
    }
}
