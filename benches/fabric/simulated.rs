//! The load on the simulated network, as a user runs it: the whole of [`Catalogue::run`], trace and verdicts included.

use std::time::Duration;

use halfopen::Catalogue;
use halfopen::Scenario;
use halfopen::internals::HostSpec;
use halfopen::{Plan, Seed};

use crate::halfopen_net_programs::{client, clients, echo};
use crate::{LATENCY, Load};

pub(crate) struct Stage {
    catalogue: Catalogue,
    plan: Plan,
}

impl Stage {
    pub(crate) fn new(load: Load) -> Self {
        let mut catalogue = Catalogue::new("", "").host("server", async |cx| {
            tokio::select! {
                ended = echo() => Ok(ended?),
                () = cx.stopped() => Ok(()),
            }
        });
        let name = format!("{}_{}_{}", load.sessions, load.round_trips, load.apart);
        let mut scenario = Scenario::new(&name, "round trips cost next to nothing");
        scenario = scenario.with_host(HostSpec::host("server", "server"));
        scenario.network.link.latency = LATENCY;
        scenario.network.interleaved = false;
        scenario.settle = Duration::ZERO;
        scenario.time_limit = Duration::from_secs(10 * 3600);
        if load.apart {
            for nth in 0..load.sessions {
                let name = format!("client-{nth}");
                catalogue = catalogue.actor(&name, move |_| async move { Ok(client(load, nth).await?) });
                scenario = scenario.with_host(HostSpec::actor(name.as_str(), name.as_str()));
            }
        } else {
            catalogue = catalogue.actor("client", move |_| async move { Ok(clients(load).await?) });
            scenario = scenario.with_host(HostSpec::actor("client", "client"));
        }
        let plan = Plan::draw(&scenario.checked().expect("the scenario is in order"), Seed(1));
        Self { catalogue, plan }
    }

    pub(crate) fn play(&self) {
        let outcome = self.catalogue.run(&self.plan).expect("the harness is in order");
        assert!(outcome.passed(), "{}", outcome.story());
    }
}
