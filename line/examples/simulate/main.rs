//! Thousands of Mondays in a minute: the rules of the line against perfect queueing.
//!
//! ```sh
//! cargo run --release --package fair-line --example simulate                # five hundred scenarios
//! cargo run --release --package fair-line --example simulate -- 2000 7000   # so many, from this seed on
//! cargo run --release --package fair-line --example simulate -- known 1000 1000   # with nothing to learn
//! cargo run --release --package fair-line --example simulate -- log 17      # the one of seed 17, in full
//! cargo run --release --package fair-line --example simulate -- wire 17     # the same for `benches/monday.py`
//! ```

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a simulation counts its own people; a mistake in it shall be loud"
)]

mod engine;
mod perfect;
mod scenario;
mod world;

use scenario::{Click, Scenario};
use world::{Report, p99, quantile};

/// How many of the worst are shown.
const WORST: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let known = arguments.next_if(|word| word == "known").is_some();
    let first = arguments.next();
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let second = number(arguments.next());
    if first.as_deref() == Some("log") {
        let scenario = Scenario::drawn(second.unwrap_or(1));
        let report = world::run(&scenario, true);
        print!("{}", report.log);
        println!("{}", Line::new(&scenario, &report).words);
        return;
    }
    if first.as_deref() == Some("wire") {
        println!("{}", wire(&on_the_wire(second.unwrap_or(1))));
        return;
    }
    let count = number(first).unwrap_or(500);
    let seeds = second.unwrap_or(1)..second.unwrap_or(1) + count;
    let reports: Vec<_> = seeds
        .map(|seed| {
            let scenario = Scenario { known, ..Scenario::drawn(seed) };
            let report = world::run(&scenario, false);
            (Line::new(&scenario, &report), report)
        })
        .collect();
    summary(&reports);
}

/// One that can be played with real programs: nobody reloads or goes away, every profile takes the same
/// time, the table answers.
fn on_the_wire(seed: u64) -> Scenario {
    let drawn = Scenario::drawn(seed);
    let profile = (drawn.profile.0 + drawn.profile.1) / 2.0;
    let profile = (profile, profile);
    Scenario { impatient: 0.0, leaving: 0.0, table_fails: 0.0, profile, ..drawn }
}

/// A scenario with its clicks and what came of it here, in JSON.
fn wire(scenario: &Scenario) -> String {
    let report = world::run(scenario, false);
    let rates = [
        ("AssumeRole", scenario.assume),
        ("DescribeUserProfile", scenario.describe),
        ("CreateUserProfile", scenario.create),
        ("CreatePresignedDomainUrl", scenario.presign),
    ];
    let rates =
        rates.map(|(call, rate)| format!("\"{call}\": [{}, {}]", rate.per_second, rate.burst));
    let clicks = scenario.clicks().into_iter().map(|click| {
        let Click { at, person, account, new, second_tab, .. } = click;
        format!(
            "{{\"at\": {at}, \"person\": {person}, \"account\": {account}, \"new\": {new}, \"second_tab\": {second_tab}}}"
        )
    });
    let clicks: Vec<_> = clicks.collect();
    let seconds = |(taken, ideal): &(Vec<f64>, Vec<f64>)| {
        format!("{{\"p99\": {}, \"perfect\": {}}}", p99(taken), p99(ideal))
    };
    format!(
        "{{\"seed\": {}, \"people\": {}, \"seconds\": {}, \"functions\": {}, \"accounts\": {}, \"clocks\": {}, \"profile_seconds\": {}, \"rates\": {{{}}}, \"simulated\": {{\"with\": {}, \"without\": {}, \"throttled\": {}}}, \"clicks\": [{}]}}",
        scenario.seed,
        scenario.people,
        scenario.seconds,
        scenario.functions,
        scenario.accounts,
        scenario.clocks,
        scenario.profile.0,
        rates.join(", "),
        seconds(&report.with),
        seconds(&report.without),
        report.counts.throttled(),
        clicks.join(", ")
    )
}

/// One scenario, as it is shown.
struct Line {
    /// p99 in times of perfect queueing, a second being free: with a profile and without.
    with: f64,
    without: f64,
    throttled: f64,
    burst: f64,
    words: String,
}

impl Line {
    fn new(scenario: &Scenario, report: &Report) -> Self {
        let ratio = |(taken, ideal): &(Vec<f64>, Vec<f64>)| {
            if taken.is_empty() { 0.0 } else { (p99(taken) - 1.0) / p99(ideal) }
        };
        let (with, without) = (ratio(&report.with), ratio(&report.without));
        let throttled = report.counts.throttled() as f64 / report.clicks as f64;
        let Scenario { seed, seconds, functions, accounts, presign, describe, profile, .. } =
            scenario;
        let words = format!(
            "seed {seed}: {} clicks in {seconds:.0} s, {functions} functions, {accounts} accounts, {:.1} URLs/s at once {}, {:.1} looks/s, profiles {:.0} s: p99 {:.1} s, perfect {:.1} s ({with:.2}); new people {:.1} s, perfect {:.1} s ({without:.2}); throttled for each click {throttled:.2}, AWS calls {:.1}",
            report.clicks,
            presign.per_second,
            presign.burst,
            describe.per_second,
            profile.0,
            p99(&report.with.0),
            p99(&report.with.1),
            p99(&report.without.0),
            p99(&report.without.1),
            report.counts.aws() as f64 / report.clicks as f64,
        );
        Self { with, without, throttled, burst: presign.burst, words }
    }
}

fn summary(reports: &[(Line, Report)]) {
    let mut worst: Vec<_> = reports.iter().map(|(line, _)| line).collect();
    worst.sort_by(|a, b| b.with.max(b.without).total_cmp(&a.with.max(a.without)));
    println!("the worst:");
    for line in worst.iter().take(WORST) {
        println!("{}", line.words);
    }
    let share = |holds: &dyn Fn(&Line) -> bool| {
        let those = reports.iter().filter(|(line, _)| holds(line)).count();
        100.0 * those as f64 / reports.len() as f64
    };
    println!(
        "p99 at most 1.2 times perfect queueing and a second, with a profile and without, by the burst of URLs:"
    );
    for burst in 1..=10 {
        let those = || reports.iter().filter(|(line, _)| line.burst == f64::from(burst));
        let share = |of: &dyn Fn(&Line) -> f64| {
            let good = those().filter(|(line, _)| of(line) <= 1.2).count();
            100.0 * good as f64 / those().count().max(1) as f64
        };
        let (with, without) = (share(&|line| line.with), share(&|line| line.without));
        println!("  {burst:2}: {with:.0} %, {without:.0} % of {}", those().count());
    }
    let all: Vec<f64> = reports.iter().flat_map(|(_, report)| report.with.0.clone()).collect();
    let ideal: Vec<f64> = reports.iter().flat_map(|(_, report)| report.with.1.clone()).collect();
    let sum = |of: &dyn Fn(&Report) -> usize| -> usize {
        reports.iter().map(|(_, report)| of(report)).sum()
    };
    let clicks = sum(&|report| report.clicks) as f64;
    println!("all {} scenarios:", reports.len());
    println!(
        "  p99 at most 1.2 times perfect queueing and a second: {:.1} % with a profile, {:.1} % without",
        share(&|line| line.with <= 1.2),
        share(&|line| line.without <= 1.2)
    );
    println!(
        "  at most 1.5 times and a second: {:.1} %, {:.1} %",
        share(&|line| line.with <= 1.5),
        share(&|line| line.without <= 1.5)
    );
    println!(
        "  all people with a profile together: p50 {:.1} s, perfect {:.1} s; p99 {:.1} s, perfect {:.1} s",
        quantile(&all, 0.5),
        quantile(&ideal, 0.5),
        p99(&all),
        p99(&ideal)
    );
    println!(
        "  throttled calls for each click: {:.3}; at most a fifth in {:.1} %",
        sum(&|report| report.counts.throttled()) as f64 / clicks,
        share(&|line| line.throttled <= 0.2)
    );
    println!(
        "  AWS calls for each click: {:.1}, of these tickets and plans {:.2}, looks at a line {:.2}",
        sum(&|report| report.counts.aws()) as f64 / clicks,
        sum(&|report| report.counts.line_writes) as f64 / clicks,
        sum(&|report| report.counts.line_reads) as f64 / clicks
    );
    println!(
        "  requests of browsers for each click: {:.1}; who never got in: {}",
        sum(&|report| report.counts.requests) as f64 / clicks,
        sum(&|report| report.never_served)
    );
}
