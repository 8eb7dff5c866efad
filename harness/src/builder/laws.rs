//! The laws of a test that names none: what any service on long connections is expected to keep.

use std::path::Path;

use crate::actors::Canned;
use crate::check::{
    AllowedLoss, Broadcast, Delivery, DeliveryLaw, Expectations, Leaks, LossReason, SocketLaw, Stops, Survival,
};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::scenario::{HostSpec, LocatedValue, Role, Scenario};

/// Says of each actor of this crate what it tells.
///
/// # Errors
/// What is wrong with their configurations, a sentence each.
pub(super) fn tell(scenario: &mut Scenario) -> Result<(), Vec<String>> {
    let mut mistakes = Vec::new();
    for host in scenario.hosts.iter_mut().filter(|host| host.role == Role::Actor) {
        let Some(canned) = Canned::named(&host.run) else { continue };
        let text = host.config.to_string();
        let file = format!("the actor `{}`", host.name);
        let told = LocatedValue::parse(&text, Path::new(&file)).map_err(|mistakes| mistakes.first(Path::new(&file)));
        match told.and_then(|config| canned.tells(&config)) {
            Ok(kinds) => host.tells = kinds,
            Err(mistake) => mistakes.push(format!("{file}: {}", mistake.sentence)),
        }
    }
    let cast = Cast::of(scenario);
    if let ([hearer], [speaker]) = (&cast.hearers[..], &cast.speakers[..])
        && hearer == speaker
        && !cast.echoes
    {
        let sentence = "is the only one who says anything, and hears only others: add `.echoes()` where the service sends each \
                        text back, or another actor that hears";
        mistakes.push(format!("the actor `{hearer}` {sentence}"));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// What the actors of this crate do, as far as laws depend on it.
struct Cast {
    /// Who tells what it hears.
    hearers: Vec<HostName>,
    /// Who offers something.
    speakers: Vec<HostName>,
    /// Whether those who say and hear hear themselves.
    echoes: bool,
}

impl Cast {
    fn of(scenario: &Scenario) -> Self {
        let tells = |kind: FactKind| {
            let telling = scenario.hosts.iter().filter(move |host| host.tells.contains(&kind));
            telling.map(|host| host.name.clone()).collect::<Vec<_>>()
        };
        let reads = scenario.hosts.iter().filter(|host| Canned::named(&host.run) == Some(Canned::SseReader));
        let echoes = |host: &HostSpec| host.config.get("echoes").and_then(toml::Value::as_bool) == Some(true);
        Self {
            hearers: tells(FactKind::Received).into_iter().chain(reads.map(|host| host.name.clone())).collect(),
            speakers: tells(FactKind::Offered),
            echoes: scenario.hosts.iter().any(echoes),
        }
    }

    /// The only one who hears, if that one says nothing that the others would have to hear.
    fn has_one_ear(&self) -> bool {
        match &self.hearers[..] {
            [hearer] => self.echoes || !self.speakers.contains(hearer),
            _ => false,
        }
    }
}

/// `survival` of every service, `stops`, `leaks` (no socket without its peer, no task behind a host that ends what it has
/// begun), and where somebody hears `delivery` of what is offered, or `broadcast` where several do. The laws of every run hold as well.
pub(super) fn usual(scenario: &Scenario, law: DeliveryLaw, without_shutdown: &[HostName]) -> Expectations {
    let cast = Cast::of(scenario);
    let is_heard = !cast.speakers.is_empty() && !cast.hearers.is_empty();
    let services = scenario.hosts.iter().filter(|host| host.role == Role::Host).map(|host| host.name.clone());
    Expectations {
        survival: Some(Survival { stay_up: services.collect(), ..Survival::default() }),
        stops: Some(Stops::default()),
        leaks: Some(Leaks {
            sockets: Some(SocketLaw::NoneWithoutPeer),
            without_shutdown: without_shutdown.to_vec(),
            ..Leaks::default()
        }),
        delivery: (is_heard && cast.has_one_ear()).then(|| delivery(scenario, law)),
        broadcast: (is_heard && !cast.has_one_ear()).then(|| broadcast(scenario, &cast, law)),
        ..Expectations::default()
    }
}

/// What was on its way when a connection or a process was lost may be lost: actors of this crate are told of nothing that
/// a service has taken over. What was lost for no such reason is the service's fault.
fn delivery(scenario: &Scenario, law: DeliveryLaw) -> Delivery {
    let allowed = |reason| AllowedLoss { reason, host: None, at_most: None };
    let asks = scenario.hosts.iter().any(|host| Canned::named(&host.run) == Some(Canned::HttpClient));
    let reasons =
        [LossReason::ConnectionLost, LossReason::HostDied].into_iter().chain(asks.then_some(LossReason::Told));
    Delivery { law, order: false, order_of: Vec::new(), within: None, allowed_losses: reasons.map(allowed).collect() }
}

/// The same where several hear: each of them hears everything.
fn broadcast(scenario: &Scenario, cast: &Cast, law: DeliveryLaw) -> Broadcast {
    let allowed = |reason, host: Option<&HostName>| AllowedLoss { reason, host: host.cloned(), at_most: None };
    let usual = delivery(scenario, law).allowed_losses;
    // What a speaker or a service loses reaches no hearer.
    let lost = cast.speakers.iter().map(|host| allowed(LossReason::ConnectionLost, Some(host)));
    let died = scenario.hosts.iter().map(|host| allowed(LossReason::HostDied, Some(&host.name)));
    Broadcast {
        receivers: cast.hearers.clone(),
        senders: Vec::new(),
        to_sender: cast.echoes,
        law,
        within: None,
        allowed_losses: usual.into_iter().chain(lost).chain(died).collect(),
    }
}
