//! A fault of a catalogue's own, from its table in a file to its effect, its story and its replay.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use halfopen::fault::{
    Answer, AttemptFate, AttemptVerb, ConnectionVerb, Holds, HostAct, HostBlow, HostVerb, IoErrorKind, Key,
    ListenerVerb, LookupError, LookupVerb, OnAttempt, OnConnection, OnHost, OnListener, OnLookup, OnPair, OnPath,
    PairVerb, PathVerb, Shaping, Struck, Verb,
};
use halfopen::internals::Capsule;
use halfopen::name::{Direction, Side};
use halfopen::{Catalogue, FactKind, Plan, Seed};
use halfopen_net::{TcpListener, TcpStream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

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

/// A verb without keys at a place, and what it answers there.
macro_rules! verb {
    ($name:ident, $word:literal, $place:ty, $answers:ident { $($answer:item)+ }) => {
        #[derive(Clone, Debug, Serialize, Deserialize)]
        struct $name {}

        impl Verb for $name {
            type Place = $place;
            const WORD: &'static str = $word;
            const DOES: &'static str = "shows that a verb of this place can be written";
            const KEYS: &'static [Key] = &[];
        }

        impl $answers for $name {
            $($answer)+
        }
    };
}

verb!(Wade, "wade", OnPath, PathVerb {
    fn shaping(&self) -> Shaping {
        Shaping::Delay(Duration::from_millis(5))
    }
});
verb!(Snub, "snub", OnAttempt, AttemptVerb {
    fn fate(&self) -> AttemptFate {
        AttemptFate::Refused
    }
});
verb!(Misname, "misname", OnLookup, LookupVerb {
    fn answer(&self) -> Answer {
        Answer::Failure(LookupError::NoAddress)
    }

    fn is_once(&self) -> bool {
        true
    }
});
verb!(Fumble, "fumble", OnListener, ListenerVerb {
    fn error(&self) -> IoErrorKind {
        IoErrorKind::ConnectionAborted
    }

    fn nth(&self) -> u32 {
        1
    }
});
verb!(Rift, "rift", OnPair, PairVerb {
    fn is_one_way(&self) -> bool {
        true
    }
});
verb!(Topple, "topple", OnHost, HostVerb {
    fn blow(&self) -> HostBlow {
        HostBlow::Act(HostAct::Crash)
    }
});

#[test]
fn a_fault_of_ones_own_can_strike_at_every_place() {
    let words = [
        ("wade", "link = \"client -> server\""),
        ("snub", "link = \"client -> server\""),
        ("misname", "link = \"client -> server\""),
        ("fumble", "link = \"client -> server\""),
        ("rift", "between = [\"client\", \"server\"]"),
        ("topple", "host = \"server\""),
    ];
    let (head, _) = SCENARIO.split_once("[[fault]]").expect("it has a fault");
    let faults = words.iter().zip(2..).map(|((word, place), second)| {
        format!("[[fault]]\n{place}\nwhen = {{ at = \"{second}s\" }}\ndo = \"{word}\"\n")
    });
    let scenario = format!("{head}{}", faults.collect::<String>());
    let catalogue = in_folder("own_fault_places", &scenario)
        .own_fault::<Wade>()
        .own_fault::<Snub>()
        .own_fault::<Misname>()
        .own_fault::<Fumble>()
        .own_fault::<Rift>()
        .own_fault::<Topple>()
        .host("server", async |_| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            loop {
                drop(listener.accept().await);
            }
        })
        .actor("client", async |cx| {
            for nth in 0..80 {
                let tried = timeout(Duration::from_millis(100), TcpStream::connect("server:80")).await;
                cx.fact(FactKind::Gauge, "open", u8::from(matches!(tried, Ok(Ok(_)))));
                sleep(Duration::from_millis(100 + nth % 2)).await;
            }
            Ok(())
        });
    let scenario = catalogue.scenario("severed").expect("the scenario is in order");
    let outcome = catalogue.run(&Plan::draw(&scenario, Seed(0))).expect("it runs");
    for (word, _) in words {
        assert!(outcome.story().contains(&format!("FIRED {word} on")), "{word}:\n{}", outcome.story());
    }
}

/// A catalogue whose folder holds this scenario, as `severed`.
fn in_folder(folder: &str, scenario: &str) -> Catalogue {
    let root = env!("CARGO_TARGET_TMPDIR");
    let path = PathBuf::from(root).join(folder);
    fs::create_dir_all(&path).expect("the target folder can be written to");
    fs::write(path.join("severed.toml"), scenario).expect("the target folder can be written to");
    Catalogue::new(root, folder)
}

fn catalogue(folder: &str, scenario: &str) -> Catalogue {
    in_folder(folder, scenario)
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
