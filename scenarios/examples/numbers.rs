//! Changes each number that the services live by, one at a time, and plays the catalogue: a number that can be another
//! without any law being broken is one that the catalogue does not hold. `tests/numbers` runs it.
//!
//! The numbers are the durations, counts and bounds of the services' own configurations, with their defaults: none is listed
//! here, so none is forgotten. Each is set to three quarters, five quarters and four times its default in every scenario whose
//! services have it and whose file leaves it at its default, and these scenarios are played under a few seeds: first those that
//! have an opposite with another such number, and only until one of them is convicted.
//!
//! Ends with 1 when a change survives that [`EXCEPTIONS`] does not name, or when one that it names is convicted.

#![expect(clippy::print_stdout, reason = "what it finds is for the terminal")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use halfopen::internals::Opposite;
use halfopen::{Catalogue, Plan, Scenario, Seed};
use halfopen_scenarios::catalogue;
use toml::{Table, Value};

/// How many seeds each scenario is played under, unless the environment's `NUMBERS_SEEDS` says otherwise.
const SEEDS: u64 = 8;

const QUEUE: &str =
    "one-sided: a bound on memory that only a peer which takes nothing reaches, and that one is closed sooner";
const UNNAMED: &str = "a bound on memory that no report and no protocol names; its crate's tests play it with less";
const SIXTEEN_MIB: &str = "a bound on memory that no report and no protocol names; a body of 16 MiB reaches it";
const TEN_THOUSAND: &str = "a bound on memory that no report and no protocol names; ten thousand peers reach it";

/// Changes that the catalogue does not convict, each with the reason. What stands here names a number, or a number and a factor.
const EXCEPTIONS: [(&str, &str); 22] = [
    (
        "client.events",
        "no report and no protocol names it, and no user of the catalogue listens to the client's events",
    ),
    ("client.link.queue", QUEUE),
    ("node.link.queue", QUEUE),
    ("scheduler.link.queue x 5/4", QUEUE),
    ("scheduler.link.queue x 4", QUEUE),
    ("node.link.largest_message x 5/4", "one-sided: a scheduler takes in nothing that it could not hand to a node"),
    ("node.link.largest_message x 4", "one-sided: a scheduler takes in nothing that it could not hand to a node"),
    ("node.results_kept", UNNAMED),
    ("gateway.timings.retry_after x 3/4", "the same: Retry-After is in whole seconds, and at least one"),
    ("gateway.timings.retry_after x 5/4", "the same: Retry-After is in whole seconds"),
    ("gateway.limits.requests_in_flight", "no report and no protocol names it; beyond_the_limit plays it with two"),
    ("gateway.limits.answer_bytes", SIXTEEN_MIB),
    ("gateway.limits.buffer_bytes", "no report and no protocol names it; reader_rests plays it with 8 KiB"),
    ("gateway.limits.discard_bytes", SIXTEEN_MIB),
    ("scheduler.limits.connections", TEN_THOUSAND),
    ("scheduler.limits.nodes", TEN_THOUSAND),
    ("scheduler.limits.sessions", TEN_THOUSAND),
    ("scheduler.limits.node_capacity x 5/4", "one-sided: no node of the catalogue has a capacity of more than 100"),
    ("scheduler.limits.session_bytes", UNNAMED),
    ("scheduler.limits.settled_kept", UNNAMED),
    ("scheduler.limits.unsettled_jobs", UNNAMED),
    ("scheduler.limits.window_bytes", UNNAMED),
];
/// What a number is set to: these many quarters of its default.
const FACTORS: [(u32, &str); 3] = [(3, "x 3/4"), (5, "x 5/4"), (16, "x 4")];

/// A service that has numbers.
struct Service {
    name: &'static str,
    /// What runs it, in the scenarios.
    run: &'static str,
    /// Where its configuration stands in that of the host.
    within: Option<&'static str>,
    /// Reads a configuration as the service does and writes all of it, defaults included.
    complete: fn(&Table) -> Result<Table, String>,
}

/// Every service with a configuration of its own.
const SERVICES: [Service; 5] = [
    Service { name: "client", run: "talker", within: Some("client"), complete: complete_client },
    Service { name: "scheduler", run: "scheduler", within: None, complete: complete_scheduler },
    Service { name: "node", run: "node", within: None, complete: complete_node },
    Service { name: "gateway", run: "gateway", within: None, complete: complete_gateway },
    Service { name: "prober", run: "prober", within: Some("probe"), complete: complete_prober },
];

macro_rules! complete {
    ($($name:ident: $config:ty),* $(,)?) => {
        $(fn $name(table: &Table) -> Result<Table, String> {
            let config: $config = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
            config.validate().map_err(|error| error.to_string())?;
            Table::try_from(config).map_err(|error| error.to_string())
        })*
    };
}

complete! {
    complete_client: halfopen_client::Config,
    complete_scheduler: halfopen_scheduler::Config,
    complete_node: halfopen_scheduler::node::NodeConfig,
    complete_gateway: halfopen_gateway::Config,
    complete_prober: halfopen_health::ProbeConfig,
}

/// A number of a service, by the way to it: `client.link.ping_interval`.
struct Number {
    name: String,
    default: Value,
    /// The scenarios that leave it at its default, and where it stands in them.
    places: Vec<NumberPlace>,
}

struct NumberPlace {
    scenario: usize,
    host: usize,
    /// The service that the host runs.
    service: &'static Service,
    /// Where the number stands in the service's own configuration.
    path: Vec<String>,
    /// Whether an opposite of the scenario has another number here.
    has_an_opposite: bool,
}

impl Number {
    /// How many scenarios have it.
    fn scenarios(&self) -> usize {
        self.places.iter().map(|place| place.scenario).collect::<BTreeSet<_>>().len()
    }
}

/// What became of one change.
enum Fate {
    /// The service itself does not take it.
    Refused(String),
    /// The laws of a scenario that it breaks.
    Convicted(String),
    Survived,
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let seeds = std::env::var("NUMBERS_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let catalogue = catalogue();
    let scenarios = catalogue.scenarios().unwrap_or_else(|errors| panic!("the catalogue has mistakes: {errors:?}"));
    let numbers = numbers(&scenarios);
    let is_wanted = |number: &&Number| wanted.is_empty() || wanted.iter().any(|part| number.name.contains(part));
    let changes: Vec<_> = numbers
        .iter()
        .filter(is_wanted)
        .flat_map(|number| FACTORS.map(|(quarters, factor)| (number, quarters, factor)))
        .collect();
    let fates = in_parallel(changes.len(), |place| {
        let (number, quarters, factor) = changes[place];
        let change = format!("{} {factor}", number.name);
        let fate = fate(&catalogue, &scenarios, number, quarters, seeds);
        let survived = matches!(fate, Fate::Survived);
        let excused = EXCEPTIONS.iter().find(|(excused, _)| *excused == number.name || *excused == change);
        let verdict = match (&fate, excused) {
            (Fate::Refused(why), _) => format!("refused: {why}"),
            (Fate::Convicted(by), None) => format!("convicted: {by}"),
            (Fate::Convicted(by), Some(_)) => format!("CONVICTED, and it stands among the exceptions: {by}"),
            (Fate::Survived, Some((_, reason))) => format!("excepted: {reason}"),
            (Fate::Survived, None) => format!("SURVIVED in {} scenarios", number.scenarios()),
        };
        println!(
            "{change:<44} {:>8} -> {:<10} {verdict}",
            shown(&number.default),
            shown(&times(&number.default, quarters))
        );
        let is_expected = matches!(fate, Fate::Refused(_)) || survived == excused.is_some();
        (change, is_expected)
    });
    let unexpected: Vec<&str> =
        fates.iter().filter(|(_, is_expected)| !is_expected).map(|(change, _)| change.as_str()).collect();
    println!("\n{} of {} changes are not as they should be", unexpected.len(), changes.len());
    unexpected.iter().for_each(|change| println!("  {change}"));
    if unexpected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every number of every service that a scenario runs, in the order of their names.
fn numbers(scenarios: &[Scenario]) -> Vec<Number> {
    let mut numbers: BTreeMap<String, Number> = BTreeMap::new();
    for (scenario, spec) in scenarios.iter().enumerate() {
        for (host, of_host) in spec.hosts.iter().enumerate() {
            let Some(service) = SERVICES.iter().find(|service| service.run == of_host.run) else { continue };
            let own = config_of(service, &of_host.config);
            let whole = (service.complete)(&own)
                .unwrap_or_else(|error| panic!("{} has a {} that starts with {error}", spec.name, service.name));
            let mut leaves = Vec::new();
            collect(&Value::Table(whole), &mut Vec::new(), &mut leaves);
            for (path, default) in leaves.into_iter().filter(|(path, _)| at(&own, path).is_none()) {
                let name = [&[service.name.to_owned()], &path[..]].concat().join(".");
                let is_another = |opposite: &Opposite| {
                    let hosts = &opposite.scenario.hosts;
                    hosts.get(host).is_some_and(|host| at(&config_of(service, &host.config), &path).is_some())
                };
                let has_an_opposite = spec.opposites.iter().any(is_another);
                let number =
                    numbers.entry(name.clone()).or_insert_with(|| Number { name, default, places: Vec::new() });
                number.places.push(NumberPlace { scenario, host, service, path, has_an_opposite });
            }
        }
    }
    numbers.into_values().collect()
}

fn config_of(service: &Service, config: &Table) -> Table {
    match service.within {
        None => config.clone(),
        Some(key) => config.get(key).and_then(Value::as_table).cloned().unwrap_or_default(),
    }
}

/// Every duration and whole number below a value, with the way to it.
fn collect(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, Value)>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                path.push(key.clone());
                collect(value, path, leaves);
                path.pop();
            }
        }
        Value::Integer(_) => leaves.push((path.clone(), value.clone())),
        Value::String(text) if humantime::parse_duration(text).is_ok() => leaves.push((path.clone(), value.clone())),
        Value::String(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) => {}
    }
}

fn at<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, before) = path.split_last()?;
    let inner = before.iter().try_fold(table, |table, key| table.get(key)?.as_table())?;
    inner.get(last)
}

fn set(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => _ = table.insert(last.clone(), value),
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// Plays the scenarios that have a number with another one in its place, until a law is broken.
fn fate(catalogue: &Catalogue, scenarios: &[Scenario], number: &Number, quarters: u32, seeds: u64) -> Fate {
    let value = times(&number.default, quarters);
    // Those that have an opposite come first.
    let mut changed: BTreeMap<(bool, usize), Scenario> = BTreeMap::new();
    let with_an_opposite: BTreeSet<usize> =
        number.places.iter().filter(|place| place.has_an_opposite).map(|place| place.scenario).collect();
    for NumberPlace { scenario, host, service, path, .. } in &number.places {
        let entry = changed.entry((!with_an_opposite.contains(scenario), *scenario));
        let host = &mut entry.or_insert_with(|| scenarios[*scenario].clone()).hosts[*host];
        // All of it is written, so that a table which the file leaves out is not there with one number alone.
        let whole = (service.complete)(&config_of(service, &host.config)).and_then(|mut whole| {
            set(&mut whole, path, value.clone());
            (service.complete)(&whole)
        });
        match (whole, service.within) {
            (Err(why), _) => return Fate::Refused(why.lines().next().unwrap_or_default().to_owned()),
            (Ok(whole), None) => host.config = whole,
            (Ok(whole), Some(key)) => _ = host.config.insert(key.to_owned(), Value::Table(whole)),
        }
    }
    for seed in 1..=seeds {
        for scenario in changed.values() {
            let outcome = catalogue
                .run(&Plan::draw(scenario, Seed(seed)))
                .unwrap_or_else(|error| panic!("{} under seed {seed}: {error}", scenario.name));
            if let Some(signature) = outcome.signature() {
                return Fate::Convicted(format!("{signature} in {} under seed {seed}", scenario.name));
            }
        }
    }
    Fate::Survived
}

/// A number times a number of quarters: durations to the millisecond, counts at least one apart.
fn times(value: &Value, quarters: u32) -> Value {
    match value {
        Value::Integer(count) => {
            let changed = count.saturating_mul(quarters.into()) / 4;
            let other = if quarters < 4 { count - 1 } else { count + 1 };
            Value::Integer(if changed == *count { other } else { changed })
        }
        Value::String(text) => {
            let time = humantime::parse_duration(text).unwrap_or_default() * quarters / 4;
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            Value::String(humantime::format_duration(Duration::from_millis(millis)).to_string())
        }
        Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => value.clone(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(count) => count.to_string(),
        Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            value.to_string()
        }
    }
}

/// The results of a piece of work for each number below `count`, on all processors.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count {
                        break;
                    }
                    let result = work(place);
                    done.lock().expect("no thread panics with the lock").insert(place, result);
                }
            });
        }
    });
    done.into_inner().expect("no thread panics with the lock").into_values().collect()
}
