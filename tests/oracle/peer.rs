//! The other end: a program that does to its observer what the row says, with socket calls and raw bytes.

use std::cell::RefCell;
use std::io::{self, Cursor};
use std::rc::Rc;
use std::time::Duration;

use halfopen_net::{TcpListener, TcpSocket, TcpStream};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

use crate::backend::Backend;
use crate::coordination;
use crate::linux::Ears;

/// Who it is, and what it does in turn.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    role: Role,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Accepts the observer's connection.
    Listens,
    /// Connects to the observer.
    Dials,
    /// The port to which the observer connects has no listener.
    Absent,
    /// Accepts nothing, and has as many waiting as its backlog takes.
    Full,
}

/// One thing that the peer does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Does its part of the WebSocket handshake.
    Upgrade,
    /// The same, with more header lines in the answer.
    UpgradeWith(&'static str),
    /// From now on without `TCP_NODELAY`.
    Nagle,
    /// Waits until the observer is ready.
    Strike,
    /// Writes bytes.
    Send(Vec<u8>),
    /// Reads to the end of a head.
    ReadHead,
    /// From now on reads everything.
    ReadAll,
    /// Says which messages have been read so far.
    SayMessages,
    /// Says what has been read so far.
    SayRead,
    /// Says how the messages that were read compare with those that the observer was told were sent.
    SayFlood,
    /// Goes on reading until the observer's end.
    ReadToEnd,
    /// Reads until this many messages are there.
    Hears(usize),
    /// Half-closes.
    Finish,
    /// Closes.
    Close,
    /// Closes with a zero linger.
    Reset,
    /// From now on hears nothing (a socket filter).
    Deafen,
    /// Hears again.
    Hear,
    /// Waits.
    Pause(Duration),
    /// Lets the observer go on, accepts its next connection and goes on with that one.
    Accept,
}

impl Peer {
    /// Accepts the observer's connection.
    pub(crate) fn listening(steps: &[Step]) -> Self {
        Self { role: Role::Listens, steps: steps.to_vec() }
    }

    /// Connects to the observer.
    pub(crate) fn dialling(steps: &[Step]) -> Self {
        Self { role: Role::Dials, steps: steps.to_vec() }
    }

    /// The port has no listener.
    pub(crate) fn absent() -> Self {
        Self { role: Role::Absent, steps: Vec::new() }
    }

    /// Listens with a full backlog.
    pub(crate) fn full() -> Self {
        Self { role: Role::Full, steps: Vec::new() }
    }

    /// Whether it is made deaf.
    pub(crate) fn needs_ears(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Deafen))
    }

    /// Whether the observer connects to it.
    pub(crate) fn listens(&self) -> bool {
        self.role != Role::Dials
    }
}

/// Plays the peer. Its sockets stay open until it is dropped.
pub(crate) async fn play(backend: Backend, peer: Peer) {
    match peer.role {
        Role::Listens => {
            let listener = backend.listen().await;
            let (stream, _) = listener.accept().await.expect("the observer connects");
            Playing::new(backend, Some(listener), stream).play(&peer.steps).await;
        }
        Role::Dials => {
            let stream = backend.connect("observer").await.expect("the observer accepts");
            Playing::new(backend, None, stream).play(&peer.steps).await;
        }
        Role::Absent => {
            drop(backend.listen().await);
            coordination::rest_for_good();
            std::future::pending::<()>().await;
        }
        Role::Full => {
            let _held = full_listener(&backend).await;
            coordination::rest_for_good();
            std::future::pending::<()>().await;
        }
    }
}

/// A listener with as many waiting as it takes.
async fn full_listener(backend: &Backend) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    let address = if backend.is_linux { [127, 0, 0, 1] } else { [0; 4] };
    socket.bind((address, 0).into()).expect("a port is free");
    let listener = socket.listen(1).expect("it listens");
    let port = listener.local_addr().expect("a listener has an address").port();
    let own = if backend.is_linux { "127.0.0.1" } else { "peer" };
    let mut waiting = Vec::new();
    while let Some(Ok(stream)) = backend.never(TcpStream::connect((own, port))).await {
        waiting.push(stream);
    }
    coordination::announce(port);
    (listener, waiting)
}

struct Playing {
    backend: Backend,
    listener: Option<TcpListener>,
    stream: Option<Rc<TcpStream>>,
    /// Reads everything.
    reading: Option<JoinHandle<()>>,
    heard: Rc<RefCell<Heard>>,
    rests: u32,
    ears: Option<Ears>,
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    end: Option<String>,
}

impl Playing {
    fn new(backend: Backend, listener: Option<TcpListener>, stream: TcpStream) -> Self {
        let heard = Rc::default();
        let mut playing = Self { backend, listener, stream: None, reading: None, heard, rests: 0, ears: None };
        playing.take(stream);
        playing
    }

    fn take(&mut self, stream: TcpStream) {
        stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
        let (stream, ears) = if self.backend.is_linux {
            let (stream, ears) = Ears::of(stream);
            (stream, Some(ears))
        } else {
            (stream, None)
        };
        (self.stream, self.ears, self.heard) = (Some(Rc::new(stream)), ears, Rc::default());
    }

    async fn play(mut self, steps: &[Step]) {
        for step in steps {
            self.step(step).await;
        }
        coordination::rest_for_good();
        std::future::pending::<()>().await;
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Upgrade => self.upgrade("").await,
            Step::UpgradeWith(more) => self.upgrade(more).await,
            Step::Nagle => self.stream().set_nodelay(false).expect("a socket takes TCP_NODELAY"),
            Step::Strike => {
                self.rests += 1;
                coordination::rest(self.rests).await;
            }
            // An observer that is gone does not hear it: the row says so.
            Step::Send(bytes) => drop(write(self.stream(), bytes).await),
            Step::ReadHead => drop(self.read_head().await),
            Step::ReadAll => self.read_all(),
            Step::SayMessages => {
                self.backend.settle().await;
                let messages = messages(&self.heard.borrow().bytes);
                self.backend.say(format!("peer: heard {}", listed(&messages)));
            }
            Step::SayRead => {
                self.backend.settle().await;
                let heard = self.heard.borrow();
                let text = String::from_utf8_lossy(&heard.bytes).replace("\r\n", "|");
                let end = heard.end.as_deref().unwrap_or("open");
                self.backend.say(format!("peer: read {} then {end}", if text.is_empty() { "nothing" } else { &text }));
            }
            Step::SayFlood => {
                let heard = messages(&self.heard.borrow().bytes).len();
                self.backend.say(match heard.checked_sub(coordination::flood()) {
                    Some(0) => "peer: heard as many as were acknowledged".to_owned(),
                    Some(more) => format!("peer: heard {more} more than were acknowledged"),
                    None => format!("peer: heard {heard} of {}", coordination::flood()),
                });
            }
            Step::ReadToEnd => {
                let reading = self.reading.take().expect("it reads");
                self.backend.soon(reading).await.expect("the observer ends").expect("reading does not panic");
            }
            Step::Hears(count) => {
                let heard = self.heard.clone();
                let hears = async move {
                    while messages(&heard.borrow().bytes).len() < *count {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                // What it has heard in the end is said, not assumed.
                let _ = self.backend.soon(hears).await;
            }
            Step::Finish => {
                let read = self.stop_reading().await;
                let stream = self.stream.as_mut().and_then(Rc::get_mut).expect("nobody else has it");
                // A connection that was reset has nothing to finish.
                let _ = stream.shutdown().await;
                if read {
                    self.read_all();
                }
            }
            Step::Close => self.close().await,
            Step::Reset => {
                self.stream().set_zero_linger().expect("a socket takes SO_LINGER");
                self.close().await;
            }
            Step::Deafen => {
                self.ears().close().expect("filters are allowed, it was tried");
            }
            Step::Hear => self.ears().open().expect("it was deaf"),
            Step::Pause(time) => tokio::time::sleep(*time).await,
            Step::Accept => {
                coordination::go_on(self.rests + 1);
                let listener = self.listener.as_ref().expect("it listens");
                let (stream, _) = listener.accept().await.expect("the observer connects");
                self.take(stream);
            }
        }
    }

    fn ears(&self) -> &Ears {
        self.ears.as_ref().expect("only Linux has filters")
    }

    fn stream(&self) -> &Rc<TcpStream> {
        self.stream.as_ref().expect("the connection is open")
    }

    /// Reads this many bytes.
    async fn read(&self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            match read_some(self.stream(), &mut read[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => filled += more,
            }
        }
        self.heard.borrow_mut().bytes.extend(&read);
        Ok(read)
    }

    /// The head, up to and with its empty line; what comes after it stays.
    async fn read_head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read(1).await?);
        }
        self.heard.borrow_mut().bytes.clear();
        Ok(head)
    }

    async fn upgrade(&mut self, more: &str) {
        const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
        if self.listener.is_some() {
            let head = self.read_head().await.expect("the observer asks");
            let answer = switching(&accept_key(&head), more);
            write(self.stream(), answer.as_bytes()).await.expect("the observer is there");
        } else {
            let question = format!(
                "GET / HTTP/1.1\r\nHost: observer\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
            );
            write(self.stream(), question.as_bytes()).await.expect("the observer is there");
            self.read_head().await.expect("the observer answers");
        }
    }

    fn read_all(&mut self) {
        let (heard, stream) = (self.heard.clone(), self.stream().clone());
        let task = tokio::task::spawn_local(async move {
            let mut buffer = vec![0; 65_536];
            loop {
                match read_some(&stream, &mut buffer).await {
                    Ok(0) => break heard.borrow_mut().end = Some("eof".to_owned()),
                    Ok(n) => heard.borrow_mut().bytes.extend(&buffer[..n]),
                    Err(error) => break heard.borrow_mut().end = Some(format!("{:?}", error.kind())),
                }
            }
        });
        self.reading = Some(task);
    }

    /// Whether it was reading.
    async fn stop_reading(&mut self) -> bool {
        let Some(reading) = self.reading.take() else { return false };
        reading.abort();
        // It ends by being told to, if it has not ended already.
        let _ = reading.await;
        true
    }

    async fn close(&mut self) {
        self.stop_reading().await;
        self.ears = None;
        self.stream = None;
    }
}

/// The answer to the key in a WebSocket's first head.
fn accept_key(head: &[u8]) -> String {
    let head = std::str::from_utf8(head).expect("a head is text");
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value)
    });
    derive_accept_key(key.expect("the observer wants a WebSocket").as_bytes())
}

async fn read_some(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => bytes = &bytes[written?..],
        }
    }
    Ok(())
}

/// A server's answer to a WebSocket's beginning, with more header lines.
pub(crate) fn switching(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// The texts of the frames that a peer has read, control frames by their names.
fn messages(bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    let mut cursor = Cursor::new(bytes);
    while let Ok(Some((header, length))) = FrameHeader::parse(&mut cursor) {
        let start = cursor.position() as usize;
        let Some(payload) = bytes.get(start..start + length as usize) else { break };
        let mask = header.mask.unwrap_or_default();
        let payload: Vec<_> = payload.iter().zip(mask.into_iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        cursor.set_position(start as u64 + length);
        messages.push(match header.opcode.to_string().as_str() {
            "TEXT" => String::from_utf8_lossy(&payload).into_owned(),
            control if payload.len() >= 2 && control == "CLOSE" => {
                format!("close {}", u16::from_be_bytes([payload[0], payload[1]]))
            }
            other => other.to_lowercase(),
        });
    }
    messages
}

fn listed(messages: &[String]) -> String {
    if messages.is_empty() { "nothing".to_owned() } else { messages.join(", ") }
}
