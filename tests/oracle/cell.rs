//! What a cell is: an observer, a peer that does something to it, and what the observer then sees.

use std::time::Duration;

use halfopen::fault::{Act, Fault, Place, Target, Trigger, Verb};
use halfopen::name::{HostName, Link};

use crate::client::Client;
use crate::peer::Peer;
use crate::server::Server;
use crate::websocket::WebSocket;

/// One observer under one fault.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// The oracle's row (`W1`, `H3`, `C5`), with a letter where a row has several cases.
    pub(crate) row: &'static str,
    /// What happens, in words.
    pub(crate) fault: &'static str,
    /// The endpoint that observes.
    pub(crate) observer: Observer,
    /// Who makes the fault with socket calls.
    pub(crate) peer: Peer,
    /// How a plan makes the same fault between an observer and a peer that is well.
    pub(crate) verb: Option<ByVerb>,
    /// What the observer sees.
    pub(crate) sees: Vec<&'static str>,
    /// What it sees on turmoil-net, where that is something else, and why.
    pub(crate) on_turmoil: Option<Differs>,
    /// Why the simulation's peer cannot make it with socket calls.
    pub(crate) only_by_verb: Option<&'static str>,
    /// Why Linux's cannot either.
    pub(crate) not_on_linux: Option<&'static str>,
}

/// A known difference.
#[derive(Clone, Debug)]
pub(crate) struct Differs {
    /// What is seen instead.
    pub(crate) sees: Vec<&'static str>,
    /// The reason for the difference.
    pub(crate) because: &'static str,
}

/// The endpoint that observes.
#[derive(Clone, Debug)]
pub(crate) enum Observer {
    /// tokio-tungstenite, in either role.
    WebSocket(WebSocket),
    /// A hyper server.
    Server(Server),
    /// A hyper client.
    Client(Client),
}

/// A fault of a plan on the connection between observer and peer.
#[derive(Clone, Debug)]
pub(crate) struct ByVerb {
    pub(crate) fault: Fault,
    /// The peer that is well, where it is not the cell's without its last step.
    pub(crate) peer: Peer,
}

impl Cell {
    pub(crate) fn new(
        row: &'static str,
        fault: &'static str,
        observer: impl Into<Observer>,
        peer: Peer,
        sees: &[&'static str],
    ) -> Self {
        Self {
            row,
            fault,
            observer: observer.into(),
            peer,
            verb: None,
            sees: sees.to_vec(),
            on_turmoil: None,
            only_by_verb: None,
            not_on_linux: None,
        }
    }

    /// The same fault by a verb that strikes when the observer says so.
    pub(crate) fn verb(self, verb: impl Verb, well: Peer) -> Self {
        self.verb_at(on_strike(), verb, well)
    }

    /// The same fault by a verb.
    pub(crate) fn verb_at<V: Verb>(mut self, trigger: Trigger, verb: V, well: Peer) -> Self {
        let [observer, peer] = ["observer", "peer"].map(HostName::from);
        let link = match well.listens() {
            true => Link { client: "observer".into(), server: "peer".into() },
            false => Link { client: "peer".into(), server: "observer".into() },
        };
        let target = match <V::Place as Place<V>>::KEY {
            "link" => Target::Link { link: &link, connection: None },
            "between" => Target::Between(&peer, &observer),
            _ => Target::Host(&peer),
        };
        let act = Act::at(target, verb).expect("the key names the place");
        self.verb = Some(ByVerb { fault: Fault { trigger, act }, peer: well });
        self
    }

    /// On turmoil-net something else is seen.
    pub(crate) fn turmoil_sees(mut self, sees: &[&'static str], because: &'static str) -> Self {
        self.on_turmoil = Some(Differs { sees: sees.to_vec(), because });
        self
    }

    /// The simulation's peer cannot make it with socket calls.
    pub(crate) fn only_by_verb(mut self, because: &'static str) -> Self {
        self.only_by_verb = Some(because);
        self
    }

    /// No peer can make it on Linux, with anything a test may do there.
    pub(crate) fn not_on_linux(mut self, because: &'static str) -> Self {
        self.not_on_linux = Some(because);
        self
    }

    /// Whether an endpoint in it is made deaf, which not every machine allows.
    pub(crate) fn needs_filters(&self) -> bool {
        let observer = match &self.observer {
            Observer::WebSocket(observer) => observer.needs_ears(),
            Observer::Server(_) | Observer::Client(_) => false,
        };
        observer || self.peer.needs_ears()
    }
}

/// When the observer says that it is ready.
fn on_strike() -> Trigger {
    Trigger::Event { message: "strike".to_owned(), host: None, fields: Vec::new(), n: 1, after: Duration::ZERO }
}

impl From<WebSocket> for Observer {
    fn from(observer: WebSocket) -> Self {
        Self::WebSocket(observer)
    }
}

impl From<Server> for Observer {
    fn from(observer: Server) -> Self {
        Self::Server(observer)
    }
}

impl From<Client> for Observer {
    fn from(observer: Client) -> Self {
        Self::Client(observer)
    }
}
