use shelfmq_tests::simulation::*;
use shelfmq_tests::workload;
fn var(n: &str) -> Option<u64> {
    std::env::var(n).ok().map(|s| s.parse().unwrap())
}
#[test]
fn logs() {
    let mut bad = 0;
    let only = var("S");
    for seed in only.map_or(0..var("N").unwrap_or(60), |s| s..s + 1) {
        let settings = Settings { sync: Sync::Always, rots: false, fails: false, ..Settings::of(seed) };
        let ops = workload::generate(seed, 200);
        let Err(m) = journal::run(settings, &ops) else { continue };
        bad += 1;
        let flat: String = m.what.split_whitespace().collect::<Vec<_>>().join(" ");
        if bad > 12 {
            break;
        }
        if only.is_some() {
            let (short, m) = workload::shrink(&ops[..=m.step], |ops: &[workload::Op]| journal::run(settings, ops));
            println!("short {} {m}", short.len());
        } else {
            println!("seed {seed} step {}: {}", m.step, flat);
        }
    }
    println!("bad {bad}");
}
#[test]
fn crash() {
    let mut bad = 0;
    let only = var("S");
    for seed in only.map_or(var("F").unwrap_or(0)..var("N").unwrap_or(60), |s| s..s + 1) {
        let settings = Settings::of(seed);
        let ops = generate(&settings, 400);
        let go = |ops: &[Op]| run(settings, ops, &mut Counts::new());
        if let Err(m) = go(&ops) {
            bad += 1;
            println!(
                "seed {seed} step {}: {} {:?} rots {} fails {}",
                m.step, m.what, settings.sync, settings.rots, settings.fails
            );
            if only.is_some() {
                let upto = m.step.min(ops.len() - 1);
                let (short, m) = workload::shrink(&ops[..=upto], go);
                println!("short {} {m}", short.len());
            }
            if bad > 12 {
                break;
            }
        }
    }
    println!("bad {bad}");
}
