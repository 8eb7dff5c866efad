//! A session that is nothing but the protocol: one socket, no reconnecting, no handles.

use std::net::SocketAddr;

use futures_util::{FutureExt, SinkExt, StreamExt};
use halfopen_link::codec::{decode, encode};
use halfopen_link::message::{FromSession, Submit, ToSession};
use halfopen_link::{LinkConfig, id};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{IN_FLIGHT, Session};

pub(crate) struct LeanSession {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What the session's job ids begin with; the job's number follows.
    prefix: String,
    submitted: usize,
    last_seq: u64,
}

impl LeanSession {
    pub(crate) async fn connect(scheduler: SocketAddr) -> Self {
        let url = format!("ws://{scheduler}/ws/session");
        let limits = LinkConfig::default().websocket();
        let (socket, _) = connect_async_with_config(url, Some(limits), true).await.expect("the scheduler listens");
        // A job id has 32 hex digits: 24 of the session's, 8 of the job's number.
        let prefix = id::job()[.."job-".len() + 24].to_owned();
        let mut session = Self { socket, prefix, submitted: 0, last_seq: 0 };
        session.say(&FromSession::SessionInit { client_version: "bench".to_owned(), resume: None }).await;
        session.flush().await;
        let ack = session.hear().await;
        assert!(matches!(ack, ToSession::SessionInitAck { next_seq: 1, .. }), "{ack:?}");
        session
    }

    async fn say(&mut self, message: &FromSession) {
        self.socket.feed(Message::Text(encode(message).into())).await.expect("the scheduler reads");
    }

    async fn flush(&mut self) {
        self.socket.flush().await.expect("the scheduler reads");
    }

    async fn hear(&mut self) -> ToSession {
        loop {
            match self.socket.next().await.expect("the scheduler stays").expect("the scheduler stays") {
                Message::Text(text) => return decode(&text).expect("a message of the protocol"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("the scheduler said {other:?}"),
            }
        }
    }

    /// What has come already. Acknowledgements are cumulative, and one write may carry several messages.
    fn hear_now(&mut self) -> Option<ToSession> {
        match self.socket.next().now_or_never()??.expect("the scheduler stays") {
            Message::Text(text) => Some(decode(&text).expect("a message of the protocol")),
            Message::Ping(_) | Message::Pong(_) => None,
            other => panic!("the scheduler said {other:?}"),
        }
    }

    async fn submit(&mut self) {
        let number = self.submitted;
        self.submitted += 1;
        let submit = Submit {
            job_id: format!("{}{number:08x}", self.prefix),
            utterance_index: number as u64,
            text: text(number),
            src_lang: "zh".to_owned(),
            tgt_lang: "en".to_owned(),
            trace_id: format!("{number:032x}"),
        };
        self.say(&FromSession::Submit(submit)).await;
    }

    fn number_of(&self, job_id: &str) -> usize {
        let number = job_id.strip_prefix(&self.prefix).expect("a job of this session");
        usize::from_str_radix(number, 16).expect("a number")
    }
}

/// A sentence of a usual length.
fn text(number: usize) -> String {
    format!("早上好,今天的会议从九点开始,请准时参加。{number}")
}

impl Session for LeanSession {
    async fn play(&mut self, jobs: usize) {
        let first = self.submitted;
        let (mut accepted, mut done) = (vec![false; jobs], vec![false; jobs]);
        for _ in 0..IN_FLIGHT.min(jobs) {
            self.submit().await;
        }
        self.flush().await;
        let mut left = jobs;
        while left > 0 {
            let mut come = 0;
            let mut next = Some(self.hear().await);
            while let Some(message) = next {
                match message {
                    ToSession::SubmitAck { job_id } => {
                        let number = self.number_of(&job_id) - first;
                        assert!(!std::mem::replace(&mut accepted[number], true), "{job_id} was accepted twice");
                    }
                    ToSession::Result { seq, job_id, text: translation, redelivered, .. } => {
                        let number = self.number_of(&job_id);
                        assert!(accepted[number - first] && !redelivered, "{job_id} came too early, or again");
                        assert!(!std::mem::replace(&mut done[number - first], true), "{job_id} came back twice");
                        assert_eq!(translation.strip_prefix("[en] "), Some(text(number).as_str()));
                        assert_eq!(seq, self.last_seq + 1, "results come in order, without gaps");
                        self.last_seq = seq;
                        come += 1;
                    }
                    other => panic!("the scheduler said {other:?}"),
                }
                next = self.hear_now();
            }
            if come == 0 {
                continue;
            }
            left -= come;
            self.say(&FromSession::Ack { upto_seq: self.last_seq }).await;
            for _ in 0..come.min(first + jobs - self.submitted) {
                self.submit().await;
            }
            self.flush().await;
        }
        assert!(accepted.into_iter().chain(done).all(|it| it), "every job was accepted and came back");
    }

    async fn leave(mut self) {
        self.say(&FromSession::SessionClose).await;
        self.flush().await;
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
