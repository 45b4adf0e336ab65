//! The world of one Monday: the table, AWS with its buckets, functions that are frozen between
//! requests, and people with browsers.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;

use fair_line::{Clock, Knowledge, Known, Line, Looks, Next, Turn, Write, seconds_to};
use fastrand::Rng;

use crate::engine::{Engine, join};
use crate::perfect::{Bucket, perfect};
use crate::scenario::{Click, Rate, Scenario};

/// The kinds of calls that are throttled each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    Assume,
    Describe,
    ListTags,
    Create,
    Presign,
}

type LineKey = (Call, usize);

/// What a page's address carries.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Address {
    ticket: Option<(Call, u64, i64)>,
    ready: bool,
    preparing_since: Option<i64>,
}

enum Answer {
    Studio,
    /// Come back after so many seconds.
    Page(i64, Address),
}

#[derive(Default)]
struct Function {
    offset: i64,
    clock: Clock,
    busy: bool,
    lines: HashMap<LineKey, Known>,
    credentials: HashSet<usize>,
    ready: HashSet<usize>,
    /// When a call was refused, or a page came back from a line.
    alerted: i64,
    /// Moments at which calls without a ticket were let through.
    outside: HashMap<LineKey, Vec<i64>>,
    looks: Looks,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Profile {
    Missing,
    Ready(i64),
}

/// What came of it all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    pub calls: BTreeMap<Call, (usize, usize)>,
    pub line_writes: usize,
    pub lost_writes: usize,
    pub line_reads: usize,
    pub session_writes: usize,
    pub session_reads: usize,
    pub requests: usize,
}

impl Counts {
    pub fn throttled(&self) -> usize {
        self.calls.values().map(|(_, throttled)| throttled).sum()
    }
    pub fn aws(&self) -> usize {
        self.calls.values().map(|(all, _)| all).sum::<usize>()
            + self.line_writes
            + self.line_reads
            + self.session_writes
            + self.session_reads
    }
}

struct State {
    rng: Rng,
    functions: Vec<Function>,
    buckets: HashMap<LineKey, Bucket>,
    lines: HashMap<LineKey, Line>,
    profiles: Vec<Profile>,
    made_in: Vec<i64>,
    counts: Counts,
    log: Option<String>,
    taken: Vec<Option<i64>>,
    left: Vec<bool>,
}

#[derive(Clone)]
struct World {
    scenario: Rc<Scenario>,
    clicks: Rc<Vec<Click>>,
    engine: Engine,
    state: Rc<RefCell<State>>,
}

/// The figures of one scenario.
#[derive(Debug, Clone)]
pub struct Report {
    pub clicks: usize,
    pub counts: Counts,
    /// Seconds of those with a profile and of those without: taken, and by perfect queueing.
    pub with: (Vec<f64>, Vec<f64>),
    pub without: (Vec<f64>, Vec<f64>),
    pub never_served: usize,
    pub log: String,
}

/// What all but a hundredth stay below.
pub fn p99(values: &[f64]) -> f64 {
    quantile(values, 0.99)
}

/// The value that this share stays below.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (share * sorted.len() as f64) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// The requests of nobody wait for longer, milliseconds.
const REQUEST: i64 = 2_000;
/// Left for the call itself.
const FOR_THE_CALL: i64 = 400;
/// Nobody's page is followed for longer, milliseconds.
const PATIENCE: i64 = 4 * 3_600_000;

pub fn run(scenario: &Scenario, with_log: bool) -> Report {
    let mut rng = Rng::with_seed(scenario.seed ^ 0x5EED);
    let clicks = scenario.clicks();
    let (least, most) = scenario.profile;
    let profiles: Vec<f64> =
        (0..scenario.people).map(|_| least + rng.f64() * (most - least)).collect();
    let functions = (0..scenario.functions)
        .map(|_| Function {
            offset: rng.i64(-scenario.clocks..=scenario.clocks),
            looks: looks(scenario),
            ..Function::default()
        })
        .collect();
    let new: HashSet<usize> = clicks.iter().filter(|c| c.new).map(|c| c.person).collect();
    let state = State {
        functions,
        buckets: HashMap::new(),
        lines: HashMap::new(),
        profiles: (0..scenario.people)
            .map(|person| if new.contains(&person) { Profile::Missing } else { Profile::Ready(0) })
            .collect(),
        made_in: profiles.iter().map(|seconds| (seconds * 1e3) as i64).collect(),
        counts: Counts::default(),
        log: with_log.then(String::new),
        taken: vec![None; clicks.len()],
        left: vec![false; clicks.len()],
        rng,
    };
    let world = World {
        scenario: Rc::new(scenario.clone()),
        clicks: Rc::new(clicks.clone()),
        engine: Engine::default(),
        state: Rc::new(RefCell::new(state)),
    };
    for (number, click) in clicks.iter().enumerate() {
        world.engine.spawn(click.at, world.clone().browser(number));
    }
    world.engine.run(PATIENCE);

    let mut state = world.state.borrow_mut();
    let left = &state.left;
    let stayed: Vec<usize> = (0..clicks.len()).filter(|number| !left[*number]).collect();
    let ideal = perfect(scenario, &clicks, &profiles);
    let (mut with, mut without) = ((vec![], vec![]), (vec![], vec![]));
    let mut never_served = 0;
    // What a click takes that nothing throttles: the means of what is drawn below.
    let alone = 0.25;
    for (number, ideal) in stayed.into_iter().map(|number| (number, ideal[number])) {
        let Some(taken) = state.taken[number] else {
            never_served += 1;
            continue;
        };
        let those = if clicks[number].new { &mut without } else { &mut with };
        those.0.push(taken as f64 / 1e3);
        those.1.push(ideal + alone);
    }
    let log = state.log.take().unwrap_or_default();
    Report { clicks: clicks.len(), counts: state.counts.clone(), with, without, never_served, log }
}

/// What a function knows of how long profiles take, at first.
fn looks(scenario: &Scenario) -> Looks {
    let mut looks = Looks::default();
    if scenario.known {
        looks.took((scenario.profile.0 * 1e3) as i64);
    }
    looks
}

/// Why a visit ends before Studio opens.
struct Back(i64, Option<(Call, u64, i64)>);

impl World {
    fn between(&self, low: i64, high: i64) -> i64 {
        self.state.borrow_mut().rng.i64(low..=high)
    }

    fn log(&self, words: impl FnOnce() -> String) {
        let now = self.engine.now();
        if let Some(log) = &mut self.state.borrow_mut().log {
            let words = words();
            let _ = writeln!(log, "{now} {words}");
        }
    }

    async fn browser(self, number: usize) {
        let click = self.clicks[number].clone();
        let mut address = Address::default();
        let mut is_sign_in = true;
        loop {
            self.engine.sleep(self.between(10, 40)).await;
            let function = self.function();
            let (began, keeps_place) = (self.engine.now(), !is_sign_in);
            let visit = Visit { world: &self, click: &click, function, began, keeps_place };
            if self.scenario.liars && click.person.is_multiple_of(10) {
                address.ticket = Some((Call::Presign, 1, visit.now()));
            }
            self.state.borrow_mut().counts.requests += 1;
            let answer = visit.answer(address, is_sign_in).await;
            self.state.borrow_mut().functions[function].busy = false;
            self.engine.sleep(self.between(10, 40)).await;
            match answer {
                Answer::Studio => {
                    self.log(|| format!("{number} opens"));
                    let taken = self.engine.now() - click.at;
                    self.state.borrow_mut().taken[number] = Some(taken);
                    return;
                }
                Answer::Page(_, next) if is_sign_in => {
                    // A redirect to the team's own address.
                    (is_sign_in, address) = (false, next);
                }
                Answer::Page(seconds, next) => {
                    self.log(|| format!("{number} waits {seconds} s, {next:?}"));
                    if click.leaves {
                        self.state.borrow_mut().left[number] = true;
                        return;
                    }
                    address = next;
                    let wait = seconds * 1_000;
                    let early = click.reloads && self.between(0, 2) == 0;
                    self.engine.sleep(if early { self.between(0, wait) } else { wait }).await;
                }
            }
        }
    }

    /// One that is idle, or one more; one process takes all.
    fn function(&self) -> usize {
        let mut state = self.state.borrow_mut();
        if self.scenario.functions == 1 {
            return 0;
        }
        let idle: Vec<usize> =
            (0..state.functions.len()).filter(|f| !state.functions[*f].busy).collect();
        let function = if idle.is_empty() {
            let offset = state.rng.i64(-self.scenario.clocks..=self.scenario.clocks);
            let looks = looks(&self.scenario);
            state.functions.push(Function { offset, looks, ..Function::default() });
            state.functions.len() - 1
        } else {
            idle[state.rng.usize(..idle.len())]
        };
        state.functions[function].busy = true;
        function
    }
}

/// What the table did, on the way back.
struct Answered {
    sent: i64,
    second: i64,
    fails: bool,
    back: i64,
}

struct Visit<'a> {
    world: &'a World,
    click: &'a Click,
    function: usize,
    began: i64,
    /// Whether the answer can carry a place: a sign-in's redirect cannot.
    keeps_place: bool,
}

impl Visit<'_> {
    async fn answer(&self, address: Address, is_sign_in: bool) -> Answer {
        {
            let counts = &mut self.world.state.borrow_mut().counts;
            if is_sign_in { counts.session_writes += 1 } else { counts.session_reads += 1 }
        }
        let answered = self.table().await;
        let _ = self.back(answered).await;
        if address.ticket.is_some() || address.ready {
            self.alert();
        }
        let mut next = address;
        next.ticket = None;
        match self.open(&address, &mut next).await {
            Ok(()) => Answer::Studio,
            Err(Back(at, ticket)) => {
                next.ticket = ticket;
                let now = self.now();
                if ticket.is_none() {
                    return Answer::Page(((at - now) / 1_000).max(1), next);
                }
                // A redirect is not held back: its page comes at once, and is.
                let until = if address.ticket.is_some() { now + self.left() } else { now };
                let (seconds, held) = seconds_to(at, now, until);
                self.world.engine.sleep(held).await;
                Answer::Page(seconds, next)
            }
        }
    }

    async fn open(&self, address: &Address, next: &mut Address) -> Result<(), Back> {
        let (person, ticket) = (self.click.person, address.ticket);
        let believed = address.ready
            || self.world.state.borrow().functions[self.function].ready.contains(&person);
        if believed {
            next.ready = true;
            let mut turn = self.admit(Call::Presign, ticket).await?;
            self.assume(ticket).await?;
            return self.in_turn(Call::Presign, &mut turn).await;
        }
        let mut url = None;
        if let Some(since) = address.preparing_since {
            self.lets_others_look(since, ticket).await?;
            let mut turn = self.admit(Call::Describe, ticket).await?;
            self.assume(ticket).await?;
            self.in_turn(Call::Describe, &mut turn).await?;
        } else {
            let mut turn = self.admit(Call::Describe, ticket).await?;
            self.assume(ticket).await?;
            if self.is_scarce().await {
                self.in_turn(Call::Describe, &mut turn).await?;
                self.call(Call::ListTags).await;
            } else {
                let (asked, looked) = join(
                    self.call(Call::Presign),
                    join(self.in_turn(Call::Describe, &mut turn), self.call(Call::ListTags)),
                )
                .await;
                url = Some(asked);
                if asked {
                    self.let_through(Call::Presign);
                }
                looked.0?;
            }
        }
        loop {
            let now = self.now();
            let found = self.world.state.borrow().profiles[person];
            match found {
                Profile::Ready(at) if at <= self.world.engine.now() => break,
                Profile::Ready(_) => {}
                Profile::Missing => {
                    let mut turn = self.admit(Call::Create, ticket).await?;
                    self.in_turn(Call::Create, &mut turn).await?;
                    let mut state = self.world.state.borrow_mut();
                    if state.profiles[person] == Profile::Missing {
                        let ready = self.world.engine.now() + state.made_in[person];
                        state.profiles[person] = Profile::Ready(ready);
                    }
                }
            }
            url = None;
            let since = *next.preparing_since.get_or_insert(now);
            let gap = self.looks(|looks, scarce| looks.again_after(now - since, scarce));
            if self.left() < gap {
                return Err(Back(now + gap, None));
            }
            self.world.engine.sleep(gap).await;
            self.in_turn(Call::Describe, &mut self.new_turn(None)).await?;
        }
        if let Some(since) = next.preparing_since.take() {
            let age = self.now() - since;
            self.looks(|looks, _| looks.took(age));
            self.call(Call::ListTags).await;
        }
        self.world.state.borrow_mut().functions[self.function].ready.insert(person);
        next.ready = true;
        if url == Some(true) {
            return Ok(());
        }
        let mut turn = self.new_turn(ticket_for(ticket, Call::Presign));
        if url == Some(false) {
            self.alert();
            turn.was_refused(self.now());
        }
        self.in_turn(Call::Presign, &mut turn).await
    }

    fn looks<T>(&self, work: impl FnOnce(&mut Looks, bool) -> T) -> T {
        let scarce = self.is_alert();
        let mut state = self.world.state.borrow_mut();
        work(&mut state.functions[self.function].looks, scarce)
    }

    /// Whoever waits for SageMaker lets others look; a third look all the same.
    async fn lets_others_look(
        &self,
        since: i64,
        ticket: Option<(Call, u64, i64)>,
    ) -> Result<(), Back> {
        if ticket.is_some() {
            return Ok(());
        }
        let Some(line) = self.look_at(Call::Describe).await.and_then(|known| known.line) else {
            return Ok(());
        };
        let now = self.now();
        let length = line.ends_at() - now;
        let gap = ((now - since) / 10).clamp(1_500, 10_000).max(length);
        let yields = length > 100 && self.world.between(0, 255) >= 85;
        if yields { Err(Back(now + gap + self.world.between(0, 999), None)) } else { Ok(()) }
    }

    async fn assume(&self, ticket: Option<(Call, u64, i64)>) -> Result<(), Back> {
        let person = self.click.person;
        if self.world.state.borrow().functions[self.function].credentials.contains(&person) {
            return Ok(());
        }
        let mut turn = self.admit(Call::Assume, ticket).await?;
        self.in_turn(Call::Assume, &mut turn).await?;
        self.world.state.borrow_mut().functions[self.function].credentials.insert(person);
        Ok(())
    }

    /// Whether others wait for a URL or a look, so that none is asked for beside the other.
    async fn is_scarce(&self) -> bool {
        for call in [Call::Presign, Call::Describe] {
            let known = self.look_at(call).await;
            if known.is_some_and(|known| known.is_there(self.now()) == Some(true)) {
                return true;
            }
        }
        false
    }

    /// The line, as far as it is worth a look.
    async fn look_at(&self, call: Call) -> Option<Known> {
        let known = self.known(call);
        let is_known = known.is_some_and(|known| known.is_there(self.now()).is_some());
        if is_known || !self.is_alert() {
            return known;
        }
        if self.read(call).await { self.known(call) } else { None }
    }

    /// Waits until it is this person's turn, or says when.
    async fn admit(&self, call: Call, ticket: Option<(Call, u64, i64)>) -> Result<Turn, Back> {
        if let Some((kind, number, due)) = ticket
            && kind == call
            && due > self.now() + REQUEST
        {
            return Err(Back(due, Some((kind, number, due))));
        }
        let ticket = ticket.filter(|(_, _, at)| Turn::counts(*at, self.now()));
        let mut turn = self.new_turn(ticket_for(ticket, call));
        self.until_called(call, &mut turn).await?;
        Ok(turn)
    }

    /// Makes the call when it is this person's turn, and again when it was refused.
    async fn in_turn(&self, call: Call, turn: &mut Turn) -> Result<(), Back> {
        loop {
            self.until_called(call, turn).await?;
            if self.call(call).await {
                if turn.ticket().is_none() {
                    self.let_through(call);
                }
                return Ok(());
            }
            self.alert();
            turn.was_refused(self.now());
        }
    }

    async fn until_called(&self, call: Call, turn: &mut Turn) -> Result<(), Back> {
        loop {
            let until = self.now() + self.left() - FOR_THE_CALL;
            match turn.next(self.knowledge(call), self.now(), until) {
                Next::Call => return Ok(()),
                Next::Sleep(at) => self.world.engine.sleep(at - self.now()).await,
                Next::ComeBack(at) => {
                    return Err(Back(at, turn.ticket().map(|number| (call, number, at))));
                }
                Next::BackOff => {
                    let wait = self.world.between(2_000, 6_000);
                    return Err(Back(self.now() + wait, turn.ticket().map(|n| (call, n, 0))));
                }
                Next::Read => {
                    if !self.read(call).await {
                        turn.table_failed();
                    }
                }
                Next::Write(write) => {
                    self.world.state.borrow_mut().counts.line_writes += 1;
                    let answered = self.table().await;
                    let key = self.key(call);
                    let item = self.world.state.borrow().lines.get(&key).copied();
                    let done = Line::apply(item, write).map(|line| self.as_if_known(call, line));
                    if let Ok(line) = done {
                        self.world.state.borrow_mut().lines.insert(key, line);
                    }
                    // A write whose answer is lost is written all the same.
                    let Some(now) = self.back(answered).await else {
                        turn.table_failed();
                        continue;
                    };
                    let line = match done {
                        Ok(line) => {
                            turn.wrote(write, line);
                            if let Write::Ticket(..) = write {
                                let functions = &mut self.world.state.borrow_mut().functions;
                                functions[self.function].outside.remove(&key);
                            }
                            line
                        }
                        Err(line) => {
                            self.world.state.borrow_mut().counts.lost_writes += 1;
                            turn.was_too_late();
                            line.expect("there is one")
                        }
                    };
                    self.world.log(|| format!("{call:?} {write:?} -> {line:?}"));
                    self.learn(call, Some(line), now);
                }
            }
        }
    }

    /// The line, where nobody has to learn its rate.
    fn as_if_known(&self, call: Call, mut line: Line) -> Line {
        if self.world.scenario.known {
            line.plan.rate = self.rate(call).map_or(line.plan.rate, |rate| rate.per_second);
            line.plan.sure = true;
        }
        line
    }

    fn new_turn(&self, ticket: Option<u64>) -> Turn {
        if self.keeps_place { Turn::new(ticket) } else { Turn::passing() }
    }

    fn rate(&self, call: Call) -> Option<Rate> {
        let scenario = &self.world.scenario;
        match call {
            Call::Assume => Some(scenario.assume),
            Call::Describe => Some(scenario.describe),
            Call::Create => Some(scenario.create),
            Call::Presign => Some(scenario.presign),
            Call::ListTags => None,
        }
    }

    fn key(&self, call: Call) -> LineKey {
        (call, if call == Call::Assume { 0 } else { self.click.account })
    }

    async fn read(&self, call: Call) -> bool {
        self.world.state.borrow_mut().counts.line_reads += 1;
        let answered = self.table().await;
        let line = self.world.state.borrow().lines.get(&self.key(call)).copied();
        let answer = self.back(answered).await;
        if let Some(now) = answer {
            self.learn(call, line, now);
        }
        answer.is_some()
    }

    fn knowledge(&self, call: Call) -> Knowledge {
        let (known, outside) = (self.known(call), self.outside(call));
        Knowledge { known, alert: self.is_alert(), outside }
    }

    fn is_alert(&self) -> bool {
        let alerted = self.world.state.borrow().functions[self.function].alerted;
        alerted != 0 && self.now() - alerted < 60_000
    }

    fn alert(&self) {
        let now = self.now();
        self.world.state.borrow_mut().functions[self.function].alerted = now;
    }

    fn outside(&self, call: Call) -> u64 {
        let now = self.now();
        let functions = &self.world.state.borrow().functions;
        let moments = functions[self.function].outside.get(&self.key(call));
        moments.map_or(0, |all| all.iter().filter(|at| now - **at < 2_000).count() as u64)
    }

    fn let_through(&self, call: Call) {
        let now = self.now();
        let functions = &mut self.world.state.borrow_mut().functions;
        functions[self.function].outside.entry(self.key(call)).or_default().push(now);
    }

    fn known(&self, call: Call) -> Option<Known> {
        self.world.state.borrow().functions[self.function].lines.get(&self.key(call)).copied()
    }

    fn learn(&self, call: Call, line: Option<Line>, at: i64) {
        let key = self.key(call);
        self.world.state.borrow_mut().functions[self.function]
            .lines
            .insert(key, Known { line, at });
    }

    /// This process's idea of the table's clock.
    fn now(&self) -> i64 {
        if self.world.scenario.known {
            return self.world.engine.now();
        }
        let function = &self.world.state.borrow().functions[self.function];
        function.clock.shared(self.world.engine.now() + function.offset)
    }

    fn left(&self) -> i64 {
        self.began + REQUEST - self.world.engine.now()
    }

    /// The way to the table.
    async fn table(&self) -> Answered {
        let sent = self.world.engine.now();
        let slow = self.world.between(0, 99) == 0;
        let (there, back) = if slow { (20, 150) } else { (1, 6) };
        self.world.engine.sleep(self.world.between(there, back)).await;
        let second = self.world.engine.now().div_euclid(1_000) * 1_000;
        let fails = self.world.state.borrow_mut().rng.f64() < self.world.scenario.table_fails;
        Answered { sent, second, fails, back: self.world.between(there, back) }
    }

    /// The way back from the table: the moment; nothing when it fails.
    async fn back(&self, answered: Answered) -> Option<i64> {
        let Answered { sent, second, fails, back } = answered;
        self.world.engine.sleep(if fails { 300 } else { back }).await;
        if !fails {
            let received = self.world.engine.now();
            let function = &mut self.world.state.borrow_mut().functions[self.function];
            let offset = function.offset;
            function.clock.heard(sent + offset, received + offset, second);
        }
        (!fails).then(|| self.now())
    }

    /// One call of AWS: whether it was let through.
    async fn call(&self, call: Call) -> bool {
        self.world.engine.sleep(self.world.between(5, 25)).await;
        let through = {
            let mut state = self.world.state.borrow_mut();
            let bucket = self.rate(call).map(|rate| {
                state.buckets.entry(self.key(call)).or_insert_with(|| Bucket::new(rate))
            });
            let through = bucket.is_none_or(|bucket| bucket.take(self.world.engine.now()));
            let (all, throttled) = state.counts.calls.entry(call).or_default();
            *all += 1;
            if !through {
                *throttled += 1;
            }
            through
        };
        self.world
            .log(|| format!("{call:?}@{} of {} {through}", self.key(call).1, self.click.person));
        self.world.engine.sleep(self.world.between(10, 50)).await;
        through
    }
}

fn ticket_for(ticket: Option<(Call, u64, i64)>, call: Call) -> Option<u64> {
    ticket.filter(|(kind, ..)| *kind == call).map(|(_, number, _)| number)
}
