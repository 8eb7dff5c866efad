//! The WebSocket client.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

use super::super::WsClient;
use super::super::keys::filled;
use super::{CONNECTING, Search, hear, key};
use crate::catalogue::{BoxError, HostContext};
use crate::fact::FactKind;

/// How long the answer to a Close frame is waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// What an application is told of a connection that ended without a Close frame (RFC 6455, 7.1.5).
const ABNORMAL: u16 = 1006;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: WsClient = cx.config()?;
    let (dismissed, said) = (cx.dismissed(), 0);
    let mut client = Client { cx, script, dismissed, said, due: Instant::now() };
    client.due += client.script.every;
    client.rest_when_done();
    let mut search = Search::new();
    loop {
        let attempt = tokio::select! {
            () = client.dismissed.cancelled() => return Ok(()),
            attempt = timeout(CONNECTING, connect_async(client.script.url.as_str())) => attempt,
        };
        let error: BoxError = match attempt {
            Ok(Ok((socket, _))) => {
                if search.was_reached {
                    client.cx.fact(FactKind::Recovered, client.cx.name(), "connected again");
                }
                search.found();
                match client.talk(socket).await {
                    End::Done => return Ok(()),
                    End::Lost { code } => client.cx.fact(FactKind::Detected, client.cx.name(), code),
                }
                search.lost();
                if !client.script.reconnects {
                    return Ok(());
                }
                search.wait().await;
                continue;
            }
            Ok(Err(error)) => error.into(),
            Err(_) => format!("no answer within {} s", CONNECTING.as_secs()).into(),
        };
        if !client.script.reconnects {
            return Err(format!("failed to reach {}: {error}", client.script.url).into());
        }
        let url = client.script.url.clone();
        tokio::select! {
            () = client.dismissed.cancelled() => return Ok(()),
            waited = search.go_on(&url, error) => waited?,
        }
    }
}

struct Client {
    cx: HostContext,
    script: WsClient,
    dismissed: CancellationToken,
    said: u32,
    /// When the next text is said.
    due: Instant,
}

/// How a connection came to its end.
enum End {
    /// There is nothing more to do.
    Done,
    Lost {
        code: u16,
    },
}

impl Client {
    /// One connection.
    async fn talk(&mut self, mut socket: Socket) -> End {
        let mut ping_at = Instant::now() + self.script.ping_every;
        let mut heard_at = Instant::now();
        loop {
            let has_more = self.said < self.script.says;
            let is_over = !has_more && !self.script.hears;
            tokio::select! {
                message = socket.next() => {
                    heard_at = Instant::now();
                    match message {
                        Some(Ok(Message::Close(frame))) => {
                            let code = frame.map_or(ABNORMAL - 1, |frame| frame.code.into());
                            // The answer to it is sent with the next call.
                            let _ = timeout(GOODBYE, socket.next()).await;
                            return End::Lost { code };
                        }
                        Some(Ok(message)) => self.heard(&message),
                        Some(Err(_)) | None => return End::Lost { code: ABNORMAL },
                    }
                }
                () = sleep_until(self.due), if has_more => {
                    if self.say(&mut socket).await.is_err() {
                        return End::Lost { code: ABNORMAL };
                    }
                }
                // What it has said last is on its way when it leaves, but what is said to it may be as well.
                () = sleep_until(self.due), if is_over => break,
                () = self.dismissed.cancelled(), if !has_more => break,
                () = sleep_until(ping_at) => {
                    ping_at += self.script.ping_every;
                    let ping = socket.send(Message::Ping(Bytes::new()));
                    if !matches!(timeout(self.script.silence, ping).await, Ok(Ok(()))) {
                        return End::Lost { code: ABNORMAL };
                    }
                }
                () = sleep_until(heard_at + self.script.silence) => return End::Lost { code: ABNORMAL },
            }
        }
        leave(socket).await;
        End::Done
    }

    /// Says the next text. One that could not be sent is said again on the next connection.
    async fn say(&mut self, socket: &mut Socket) -> Result<(), BoxError> {
        let key = key(&self.cx, self.said + 1);
        self.cx.offered(&key);
        let text = Message::text(filled(&self.script.text, &key));
        timeout(self.script.silence, socket.send(text)).await??;
        self.said += 1;
        self.due = Instant::now() + self.script.every;
        self.rest_when_done();
        Ok(())
    }

    fn heard(&self, message: &Message) {
        if let (true, Ok(text)) = (self.script.hears, message.to_text())
            && !message.is_ping()
            && !message.is_pong()
        {
            hear(&self.cx, text, self.script.echoes);
        }
    }

    fn rest_when_done(&self) {
        if self.script.hears && self.said >= self.script.says {
            self.cx.rests();
        }
    }
}

/// Closes, and waits for the answer.
async fn leave(mut socket: Socket) {
    let goodbye = async {
        if socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = timeout(GOODBYE, goodbye).await;
}
