//! The load on `turmoil-net`.

use halfopen_turmoil_net::Program;

use crate::halfopen_net_programs::{client, clients, echo};
use crate::{LATENCY, Load};

pub(crate) fn play(load: Load) {
    let mut programs: Vec<(String, Program)> = Vec::new();
    if load.apart {
        for nth in 0..load.sessions {
            let body: Program =
                Box::new(move || Box::pin(async move { client(load, nth).await.expect("the network holds") }));
            programs.push((format!("client-{nth}"), body));
        }
    } else {
        programs.push((
            "client".to_owned(),
            Box::new(move || Box::pin(async move { clients(load).await.expect("the network holds") })),
        ));
    }
    let server: Program = Box::new(|| Box::pin(async { echo().await.expect("the network holds") }));
    halfopen_turmoil_net::play(LATENCY, programs, vec![("server".to_owned(), server)]);
}
