//! Who comes, and to what: drawn from a seed.

use fastrand::Rng;

/// A token bucket: calls a second, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: f64,
}

/// One Monday.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    pub seed: u64,
    pub people: usize,
    pub seconds: f64,
    pub functions: usize,
    pub accounts: usize,
    pub assume: Rate,
    pub describe: Rate,
    pub create: Rate,
    pub presign: Rate,
    /// Share of people without a profile.
    pub new: f64,
    /// Share of people who click twice.
    pub double: f64,
    /// Share of waiting people who reload now and then, and of those who go away.
    pub impatient: f64,
    pub leaving: f64,
    /// How long SageMaker makes a profile, seconds: the least and the most.
    pub profile: (f64, f64),
    /// The processes' clocks are off by at most this much, milliseconds, each way.
    pub clocks: i64,
    /// The share of the table's answers that fail.
    pub table_fails: f64,
    /// Whether every tenth person makes up places in line.
    pub liars: bool,
    /// Whether the line knows from the start what it otherwise learns: rates, clocks, and how long profiles
    /// take. Nothing can be better than that but other rules.
    pub known: bool,
}

/// One tab.
#[derive(Debug, Clone, PartialEq)]
pub struct Click {
    pub at: i64,
    pub person: usize,
    pub account: usize,
    pub new: bool,
    pub second_tab: bool,
    /// Goes away from its first waiting page.
    pub leaves: bool,
    pub reloads: bool,
}

impl Scenario {
    /// A scenario within the bounds of what is promised.
    pub fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x13);
        let mut between = |low: f64, high: f64| low + rng.f64() * (high - low);
        let people = between(10.0, 1_000.0);
        let functions = 50f64.powf(between(0.0, 1.0));
        let accounts = 10f64.powf(between(0.0, 1.0));
        let presign = Rate { per_second: between(1.0, 10.0), burst: between(1.0, 10.0).round() };
        let describe = presign.per_second * between(1.5, 3.0);
        let assume = between(40.0, 600.0);
        let create = presign.per_second * between(0.5, 1.0);
        let profile = between(4.0, 60.0);
        Self {
            seed,
            people: people.round() as usize,
            seconds: between(10.0, 180.0),
            functions: functions.round() as usize,
            accounts: accounts.round() as usize,
            assume: Rate { per_second: assume, burst: 2.0 * assume },
            describe: Rate { per_second: describe, burst: (2.0 * describe).round() },
            create: Rate { per_second: create, burst: (2.0 * create).round().max(1.0) },
            presign,
            new: between(0.0, 0.2),
            double: between(0.0, 0.2),
            impatient: between(0.0, 0.1),
            leaving: between(0.0, 0.05),
            profile: (profile, profile * between(1.0, 1.5)),
            clocks: between(0.0, 1_000.0) as i64,
            table_fails: 0.001,
            liars: false,
            known: false,
        }
    }

    /// The clicks, in their order.
    pub fn clicks(&self) -> Vec<Click> {
        let mut rng = Rng::with_seed(self.seed);
        let mut clicks = Vec::new();
        for person in 0..self.people {
            let at = (rng.f64() * self.seconds * 1e3) as i64;
            let new = rng.f64() < self.new;
            let account = person % self.accounts;
            let mut click = |at, second_tab| {
                let (leaves, reloads) = (rng.f64() < self.leaving, rng.f64() < self.impatient);
                clicks.push(Click { at, person, account, new, second_tab, leaves, reloads });
                rng.f64() < self.double
            };
            if click(at, false) {
                click(at + 300, true);
            }
        }
        clicks.sort_by_key(|click| (click.at, click.person, click.second_tab));
        clicks
    }
}
