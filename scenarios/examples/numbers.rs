//! Changes each number that the services live by, one at a time, and plays the catalogue: a number that can be another
//! without any law being broken is one that the catalogue does not hold. `tests/numbers` runs it.
//!
//! The numbers are the durations, counts and bounds of the services' own configurations, with their defaults: none is listed
//! here, so none is forgotten. Each is set to three quarters, five quarters and four times its default in every scenario whose
//! services have it and whose file leaves it at its default, and these scenarios are played under a few seeds.
//!
//! Ends with 1 when a change survives that [`EXCEPTIONS`] does not name, or when one that it names is convicted.

#![expect(clippy::print_stdout, reason = "what it finds is for the terminal")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use halfopen::{Catalogue, Plan, Scenario, Seed};
use halfopen_scenarios::catalogue;
use toml::{Table, Value};

/// How many seeds each scenario is played under, unless the environment's `NUMBERS_SEEDS` says otherwise.
const SEEDS: u64 = 8;

/// Changes that no law can break, each with the reason. What stands here names a number, or a number and a factor.
const EXCEPTIONS: [(&str, &str); 0] = [];

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
    path: Vec<String>,
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
        let (number, quarters, _) = changes[place];
        fate(&catalogue, &scenarios, number, quarters, seeds)
    });
    let (mut survivors, mut wrong) = (Vec::new(), 0);
    for ((number, quarters, factor), fate) in changes.iter().zip(&fates) {
        let change = format!("{} {factor}", number.name);
        let line =
            format!("{change:<48} {:>8} -> {:<10}", shown(&number.default), shown(&times(&number.default, *quarters)));
        let excused = EXCEPTIONS.iter().find(|(excused, _)| *excused == number.name || *excused == change);
        match (fate, excused) {
            (Fate::Refused(why), _) => println!("refused    {line} {why}"),
            (Fate::Convicted(by), None) => println!("convicted  {line} {by}"),
            (Fate::Convicted(by), Some(_)) => {
                println!("convicted  {line} {by}, and it stands among the exceptions");
                wrong += 1;
            }
            (Fate::Survived, Some((_, reason))) => println!("excepted   {line} {reason}"),
            (Fate::Survived, None) => {
                println!("SURVIVED   {line} in {} scenarios", number.places.len());
                survivors.push(change);
            }
        }
    }
    println!("\n{} of {} changes survived", survivors.len(), changes.len());
    survivors.iter().for_each(|change| println!("  {change}"));
    if survivors.is_empty() && wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
                let within = service.within.map(str::to_owned);
                let path = within.into_iter().chain(path).collect();
                let number =
                    numbers.entry(name.clone()).or_insert_with(|| Number { name, default, places: Vec::new() });
                number.places.push(NumberPlace { scenario, host, path });
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
    let mut changed: BTreeMap<usize, Scenario> = BTreeMap::new();
    for place in &number.places {
        let scenario = changed.entry(place.scenario).or_insert_with(|| scenarios[place.scenario].clone());
        let host = &mut scenario.hosts[place.host];
        set(&mut host.config, &place.path, value.clone());
        let service = SERVICES.iter().find(|service| service.run == host.run);
        let refused = service.and_then(|service| (service.complete)(&config_of(service, &host.config)).err());
        if let Some(why) = refused {
            return Fate::Refused(why.lines().next().unwrap_or_default().to_owned());
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
