//! Hundreds of simulated Mondays: the rules themselves, with people, functions and buckets that nobody
//! tuned them to. `examples/simulate` prints the figures.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a simulation counts its own people; a mistake in it shall be loud"
)]

#[path = "../examples/simulate/engine.rs"]
mod engine;
#[path = "../examples/simulate/perfect.rs"]
mod perfect;
#[path = "../examples/simulate/scenario.rs"]
mod scenario;
#[path = "../examples/simulate/world.rs"]
mod world;

use scenario::{Rate, Scenario};
use world::{Report, run};

/// Seeds by which no constant was chosen.
const FIRST_SEED: u64 = 100_000;

fn within(times: f64, (taken, ideal): &(Vec<f64>, Vec<f64>)) -> bool {
    world::p99(taken) <= times * world::p99(ideal) + 1.0
}

#[test]
fn two_runs_of_one_seed_give_the_same_log() {
    let scenario = Scenario::drawn(FIRST_SEED);
    let (one, other) = (run(&scenario, true), run(&scenario, true));
    assert!(one.log.lines().count() > 1_000);
    assert_eq!(one.log, other.log);
    assert_ne!(one.log, run(&Scenario::drawn(FIRST_SEED + 1), true).log);
}

#[test]
fn most_wait_hardly_longer_than_in_a_perfect_queue_few_calls_are_in_vain_and_nobody_starves() {
    let reports: Vec<Report> =
        (FIRST_SEED..FIRST_SEED + 300).map(|seed| run(&Scenario::drawn(seed), false)).collect();
    assert_eq!(reports.iter().map(|report| report.never_served).sum::<usize>(), 0);
    let count = |holds: &dyn Fn(&&Report) -> bool| reports.iter().filter(holds).count();
    let with = count(&|report| within(1.2, &report.with));
    let without = count(&|report| report.without.0.is_empty() || within(1.2, &report.without));
    assert!(with >= 270, "with a profile: {with} of 300");
    assert!(without >= 270, "without one: {without} of 300");
    // Where only one call is let through at once, even a line that knows everything loses calls.
    let several = |seed: &u64| Scenario::drawn(*seed).presign.burst > 1.0;
    let those: Vec<_> = (FIRST_SEED..).zip(&reports).filter(|(seed, _)| several(seed)).collect();
    let good = those.iter().filter(|(_, report)| within(1.2, &report.with)).count();
    assert!(good * 100 >= those.len() * 93, "{good} of {}", those.len());
    let throttled: usize = reports.iter().map(|report| report.counts.throttled()).sum();
    let clicks: usize = reports.iter().map(|report| report.clicks).sum();
    assert!(throttled * 5 <= clicks, "{throttled} of {clicks} clicks");
    let aws: usize = reports.iter().map(|report| report.counts.aws()).sum();
    assert!(aws <= 16 * clicks, "{aws} AWS calls for {clicks} clicks");
}

#[test]
fn while_nothing_is_throttled_no_line_is_read_or_written() {
    for seed in FIRST_SEED..FIRST_SEED + 20 {
        let plenty = Rate { per_second: 1e6, burst: 1e6 };
        let scenario = Scenario {
            assume: plenty,
            describe: plenty,
            create: plenty,
            presign: plenty,
            ..Scenario::drawn(seed)
        };
        let report = run(&scenario, false);
        assert_eq!((report.counts.line_reads, report.counts.line_writes), (0, 0), "{seed}");
        assert_eq!(report.never_served, 0);
    }
}

#[test]
fn without_the_table_everybody_waits_as_without_a_line_and_gets_in() {
    for seed in FIRST_SEED..FIRST_SEED + 20 {
        let report = run(&Scenario { table_fails: 1.0, ..Scenario::drawn(seed) }, false);
        assert_eq!(report.never_served, 0, "{seed}");
    }
}

#[test]
fn where_places_are_made_up_everybody_gets_in() {
    for seed in FIRST_SEED..FIRST_SEED + 20 {
        let [honest, liars] =
            [false, true].map(|liars| run(&Scenario { liars, ..Scenario::drawn(seed) }, false));
        assert_eq!(liars.never_served, 0, "{seed}");
        let (honest, liars) = (world::p99(&honest.with.0), world::p99(&liars.with.0));
        assert!(liars <= 2.0 * honest + 5.0, "{seed}: {liars} s, {honest} s without them");
    }
}

#[test]
fn clocks_that_differ_change_nothing() {
    for seed in FIRST_SEED..FIRST_SEED + 5 {
        let figures = |clocks| {
            let report = run(&Scenario { clocks, ..Scenario::drawn(seed) }, false);
            (report.counts, report.with)
        };
        assert_eq!(figures(0), figures(1_000), "{seed}");
    }
}
