//! Three lines for each verb: what it means, how a file writes it, what a service sees. They stand before the evidence.

use std::path::Path;

use halfopen::Scenario;
use halfopen::fault::Registry;

/// A verb in three lines.
pub(crate) struct Lines {
    word: &'static str,
    /// What happens in the world that it stands for.
    pub(crate) means: &'static str,
    /// What it strikes, when, and the verb with its keys, as the keys of a `[[fault]]`.
    pub(crate) toml: &'static str,
    /// What a service sees that is written on tokio's sockets.
    pub(crate) sees: &'static str,
}

const fn of(word: &'static str, means: &'static str, toml: &'static str, sees: &'static str) -> Lines {
    Lines { word, means, toml, sees }
}

#[rustfmt::skip]
const ALL: [Lines; 31] = [
    of("reset", "A firewall, a crashed proxy or a killed process tears the connection down.", r#"link = "alice -> chat", when = "anywhere", do = "reset""#,
       "The next call fails with `ConnectionReset`, those after it with `BrokenPipe`; what had not arrived never does."),
    of("drop", "The peer's process ends without a word, or a proxy closes an idle connection.", r#"link = "alice -> chat", when = { at = "5s" }, do = "drop""#,
       "The end of the stream with no Close frame, which a WebSocket calls 1006."),
    of("close", "A server or a proxy says that it closes.", r#"link = "alice -> chat", when = { at = "11min" }, do = "close", code = 1000, reason = "idle""#,
       "A Close frame with this code, then the end of the stream. Nothing failed, and the session is gone."),
    of("half_close", "An end says that it will send no more, and still listens.", r#"link = "alice -> chat", when = { at = "5s" }, do = "half_close", by = "server""#,
       "The end of the stream on reading, while writing goes on."),
    of("half_open", "A cable, a NAT or a laptop's lid: the connection is gone, and neither end was told.", r#"link = "alice -> chat", when = "anywhere", do = "half_open", kind = "blackhole""#,
       "Nothing. Writes succeed until the buffers are full; only a ping or a deadline of its own notices."),
    of("illegal", "A peer breaks the protocol.", r#"link = "alice -> chat", when = { at = "5s" }, do = "illegal", kind = "reserved_opcode""#,
       "An error of its WebSocket library, after which the connection is over."),
    of("cut", "A connection ends in the middle of a message.", r#"link = "alice -> chat", when = { message = 2, to = "alice", edge = { inside = 7 } }, do = "cut""#,
       "Half a message and then the end: what it was neither end knows."),
    of("truncate_clean", "A proxy loses its backend and ends the answer in order.", r#"link = "alice -> gateway", when = { sse_event = 3 }, do = "truncate_clean""#,
       "A stream that ends as a whole one does. Only its own last event tells that it is not."),
    of("buffer", "A proxy collects a stream before it passes it on.", r#"link = "alice -> gateway", when = { at = "0s" }, do = "buffer", bytes = 4096, direction = "to_client""#,
       "Events late and many at once."),
    of("corrupt", "A broken middlebox or a bug changes a message.", r#"link = "alice -> chat", when = { message = 2, to = "alice" }, do = "corrupt""#,
       "A message that is one for the protocol, and nonsense for the application."),
    of("duplicate_message", "A peer sends again what it thinks was lost.", r#"link = "alice -> chat", when = { message = 2, to = "alice" }, do = "duplicate_message""#,
       "The same message twice."),
    of("reorder_messages", "Two workers of a peer send on one connection.", r#"link = "alice -> chat", when = { message = 2, to = "alice" }, do = "reorder_messages""#,
       "A message behind the one that was said after it."),
    of("upstream", "A backend answers badly: an error, too late, or without its last event.", r#"link = "alice -> gateway", when = { http_head = 1, to = "alice" }, do = "upstream", kind = "status", status = 503"#,
       "An answer that HTTP has no objection to."),
    of("io_error", "A call of this machine fails: no buffers, no descriptors, a forbidden call.", r#"link = "alice -> chat", when = { at = "5s" }, do = "io_error", call = "write", kind = "connection_reset", side = "client""#,
       "The error of one call, though the connection is as it was."),
    of("freeze", "A machine is suspended, or its network is.", r#"host = "chat", when = { at = "5s" }, do = "freeze", thaw_after = "90s""#,
       "Silence, and later all that was said in the meantime at once."),
    of("crash", "A process dies and is started again.", r#"host = "chat", when = { at = "5s" }, do = "crash", restart_after = "2s""#,
       "Its peers: FIN or RST, then refused attempts. Itself: another life that remembers nothing."),
    of("power_loss", "A machine loses its power.", r#"host = "chat", when = { at = "5s" }, do = "power_loss", restart_after = "1min""#,
       "Its peers: silence, and a reset by the first packet after it is back."),
    of("clock_jump", "NTP or an administrator sets the wall clock.", r#"host = "chat", when = { at = "5s" }, do = "clock_jump", forward = "1h""#,
       "`SystemTime` jumps; `Instant` and tokio's timers do not."),
    of("restart", "A deployment stops the service and starts the next.", r#"host = "chat", when = { at = "5s" }, do = "restart", pause = "1s""#,
       "Its shutdown, then a new life; its clients whatever the shutdown tells them."),
    of("partition", "Two machines no longer reach each other.", r#"between = ["alice", "chat"], when = { at = "5s" }, do = "partition", heal_after = "30s""#,
       "Silence; what was sent arrives when it heals, if neither end has given up by then."),
    of("refuse", "Nothing listens on the port.", r#"link = "alice -> chat", when = { connect = true }, do = "refuse", lasting = "10s""#,
       "`ConnectionRefused` at once."),
    of("connect_hang", "A firewall swallows the attempt.", r#"link = "alice -> chat", when = { connect = true }, do = "connect_hang""#,
       "A `connect` that does not return for two minutes."),
    of("handshake_stall", "The kernel answers, the process behind it does not.", r#"link = "alice -> chat", when = { connect = true }, do = "handshake_stall""#,
       "A connection that is established and carries nothing."),
    of("accept_then_reset", "A load balancer accepts and has no backend.", r#"link = "alice -> chat", when = { connect = true }, do = "accept_then_reset""#,
       "A connection that is established and reset at once."),
    of("lookup_fails", "DNS does not answer.", r#"link = "alice -> chat", when = { at = "0s" }, do = "lookup_fails", lasting = "10s""#,
       "An error of the lookup, before any socket."),
    of("lookup_moves", "A name leads elsewhere from now on.", r#"link = "alice -> chat", when = { at = "5s" }, do = "lookup_moves", to = "gateway""#,
       "Another peer at the next connection; the one that is open stays."),
    of("delay", "The way becomes longer.", r#"link = "alice -> chat", when = { at = "5s" }, do = "delay", by = "2s""#,
       "Answers that come later than a timeout was set for."),
    of("jitter", "The way is sometimes longer.", r#"link = "alice -> chat", when = { at = "5s" }, do = "jitter", up_to = "500ms""#,
       "Answers at uneven times, in their order."),
    of("throttle", "The way is narrow.", r#"link = "alice -> chat", when = { at = "5s" }, do = "throttle", bytes_per_second = 1000"#,
       "Writes that wait, once the buffers are full."),
    of("drip", "A peer sends byte by byte.", r#"link = "alice -> chat", when = { at = "5s" }, do = "drip", every = "100ms""#,
       "Reads of a byte or two; a deadline for a whole message passes in its middle."),
    of("split", "TCP has no messages.", r#"link = "alice -> chat", when = { at = "0s" }, do = "split", bytes = 3"#,
       "Many reads for one write, cut anywhere."),
];

/// The lines of a verb.
pub(crate) fn lines(word: &str) -> Option<&'static Lines> {
    ALL.iter().find(|lines| lines.word == word)
}

#[test]
fn every_verb_has_its_three_lines_and_the_second_is_what_a_file_may_say() {
    let registry = Registry::default();
    let missing: Vec<_> = registry.words().filter(|word| lines(word).is_none()).collect();
    assert_eq!(missing, Vec::<&str>::new());
    for Lines { word, toml, .. } in &ALL {
        let hosts = "[host.chat]\nrun = 'x'\n[host.gateway]\nrun = 'x'\n[actor.alice]\nrun = 'y'\n";
        let text = format!("proves = 'it is read'\nfault = [{{ {toml} }}]\n{hosts}");
        let read = Scenario::from_toml(&text, Path::new("example.toml"));
        assert!(read.is_ok_and(|scenario| scenario.rules[0].acts()[0].word() == *word), "{word}: {toml}");
    }
}
