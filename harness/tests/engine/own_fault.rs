//! A fault of a catalogue's own, from its table in a file to its effect, its story and its replay.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use halfopen::fault::{ConnectionVerb, Holds, Key, OnConnection, Struck, Verb};
use halfopen::internals::Capsule;
use halfopen::name::{Direction, Side};
use halfopen::{Catalogue, FactKind, Plan, Seed};
use halfopen_net::{TcpListener, TcpStream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::Told;

/// One way falls silent, and the one who reads there gets an RST, or a FIN.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sever {
    way: Direction,
    #[serde(default)]
    politely: bool,
}

impl Verb for Sever {
    type Place = OnConnection;
    const WORD: &'static str = "sever";
    const DOES: &'static str = "the reader of one way is told that the connection is over, and nobody else is";
    const KEYS: &'static [Key] = &[
        Key::required("way", Holds::Word(&["to_server", "to_client"]), "the way that is severed"),
        Key::or("politely", Holds::Flag, "false", "by FIN instead of RST"),
    ];

    fn arguments(&self) -> Vec<String> {
        let politely = self.politely.then(|| "politely".to_owned());
        [self.way.to_string()].into_iter().chain(politely).collect()
    }
}

impl ConnectionVerb for Sever {
    fn strike(&self, struck: &mut Struck<'_>) {
        let reader = if self.way == Direction::ToServer { Side::Server } else { Side::Client };
        match self.politely {
            true => struck.finish(reader),
            false => struck.reset(reader),
        }
    }

    fn takes_service_away(&self) -> bool {
        true
    }

    fn is_final(&self) -> bool {
        true
    }
}

const SCENARIO: &str = r#"
proves = "a reader whose way is severed is told of it"

[network]
interleaved = false

[host.server]
run = "server"

[actor.client]
run = "client"
tells = ["gauge"]

[[fault]]
link = "client -> server"
when = { at = { from = "2s", to = "4s" } }
do = "sever"
way = "to_client"
politely = [true, false]

[checks.sometimes]
severed = { fault = "sever" }
"#;

#[test]
fn a_fault_of_ones_own_is_drawn_and_told_and_replays_from_its_capsule() {
    let catalogue = catalogue("own_fault", SCENARIO);
    let scenario = catalogue.scenario("severed").expect("the scenario is in order");
    let mut ends = Vec::new();
    for seed in (0..12).map(Seed) {
        let plan = Plan::draw(&scenario, seed);
        let outcome = catalogue.run(&plan).expect("it runs");
        assert!(outcome.broken().is_empty(), "{}", outcome.story());
        let end = outcome.only("end").1;
        let word = if end == "Ok(0)" { "sever(to_client, politely)" } else { "sever(to_client)" };
        assert!(outcome.story().contains(&format!("FIRED {word} on client->server#1")), "{}", outcome.story());
        let text = Capsule::new(plan, None).to_toml();
        let path = Path::new("capsule.toml");
        let replayed = Capsule::from_toml_with(&text, path, catalogue.faults()).expect("a capsule reads back");
        assert_eq!(catalogue.run(&replayed.plan).expect("it runs").hash, outcome.hash);
        let told =
            Capsule::from_toml(&text, path).expect_err("without the catalogue nothing knows the verb").to_string();
        assert!(told.contains("there is no verb `sever`"), "{told}");
        ends.push(end);
    }
    ends.sort();
    ends.dedup();
    assert_eq!(ends, ["ConnectionReset", "Ok(0)"], "both kinds are drawn");
}

#[test]
fn a_mistake_in_a_fault_of_ones_own_is_told_with_its_line() {
    let mistake = |from: &str, to: &str| {
        let catalogue = catalogue("own_fault_mistake", &SCENARIO.replace(from, to));
        let told = catalogue.scenario("severed").expect_err("a mistake")[0].to_string();
        told.split_once("severed.toml").map(|(_, told)| told.to_owned()).expect("it names the file")
    };
    let told = [
        mistake("\"sever\"\nway", "\"sevre\"\nway"),
        mistake("way = \"to_client\"\n", ""),
        mistake("way = \"to_client\"", "way = \"to_clinet\""),
        mistake("politely =", "politly ="),
        mistake("link = \"client -> server\"", "host = \"server\""),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    :17: there is no verb `sevre`; did you mean `sever`?
    :17: `sever` needs `way`
    :18: `way`: there is no `to_clinet` here; did you mean `to_client`?
    :19: `sever` takes no `politly`; its parameters are `way` and `politely`; did you mean `politely`?
    :17: `sever` strikes what `link` names, and this fault has `host`
    ");
}

fn catalogue(folder: &str, scenario: &str) -> Catalogue {
    let root = env!("CARGO_TARGET_TMPDIR");
    let path = PathBuf::from(root).join(folder);
    fs::create_dir_all(&path).expect("the target folder can be written to");
    fs::write(path.join("severed.toml"), scenario).expect("the target folder can be written to");
    Catalogue::new(root, folder)
        .own_fault::<Sever>()
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (_stream, _) = listener.accept().await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            let mut stream = TcpStream::connect("server:80").await?;
            stream.write_all(b"hello").await?;
            let end = match stream.read(&mut [0; 9]).await {
                Ok(bytes) => format!("Ok({bytes})"),
                Err(error) => format!("{:?}", error.kind()),
            };
            cx.fact(FactKind::Gauge, "end", end);
            sleep(Duration::from_secs(1)).await;
            Ok(())
        })
}
