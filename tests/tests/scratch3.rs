use shelfmq_tests::model::Wire;
use shelfmq_tests::simulation::*;
#[test]
fn x() {
    let settings = Settings { sync: Sync::Always, rots: false, fails: false, shards: 1, ..Settings::of(0) };
    let mut n = node::Node::new(settings);
    let send = |n: &mut node::Node, p: &str, q: &str, b: &[u8]| {
        n.send(&Wire { method: "POST".into(), path: p.into(), query: q.into(), body: b.into(), ..Wire::default() });
        n.settle_down();
        while let Some((_, s)) = n.seen.pop_front() {
            println!("{p} {q} {s:?}");
        }
    };
    send(&mut n, "/topic/create", "topic=r&retain=1h", b"");
    send(&mut n, "/channel/create", "topic=r&channel=a", b"");
    send(&mut n, "/mpub", "topic=r", b"a\nb\nc");
    send(&mut n, "/sub", "topic=r&channel=a&max=5", b"");
    println!("{:#?}", n.image_of("r"));
    n.crash(disk::Crash::Process);
    println!("{:#?}", n.image_of("r"));
    send(&mut n, "/channel/seek", "topic=r&channel=a&to=earliest", b"");
}
