//! The unnoticed close of docs/failures.md: a client that is right but for one defect.
//!
//! It speaks the sentences of the talker's script over a session of its own, reconnects, resumes, resubmits and pings;
//! a user and a client in one, because only this script uses it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_link::codec::{decode, encode};
use halfopen_link::id;
use halfopen_link::message::{FromSession, Resume, Submit, ToSession};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tracing::info;

use crate::actors::talker::Script;

const TARGET: &str = "halfopen_client";

/// What its authors got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The monitor asks whether the client has closed the connection, not whether it is closed.
    WrongFlag,
    /// The count of attempts is reset when a socket opens, not when a session is up.
    CounterResetAtOpen,
    /// The answer to the hello is waited for as long as that takes.
    NoHelloTimeout,
    /// It sends no pings and does not ask how long it has heard nothing.
    NeverPings,
    /// Every pause before an attempt is the longest one.
    LongestPauseFirst,
    /// The end of the bytes is taken for a normal close.
    EveryEndIsNormal,
    /// A sentence that was sent once is not sent again, whatever became of its connection.
    SubmitsOnce,
    /// A result that comes a second time counts a second time.
    TakesAResultTwice,
    /// A result is taken whether or not the one before it has come, and both are acknowledged.
    AcceptsGaps,
    /// A session that has another owner is asked for again.
    ReturnsAfterATakeover,
    /// A token that was refused is shown again.
    ShowsARefusedToken,
    /// A sentence at which every connection is closed is sent again and again.
    SendsTheBlamedAgain,
}

/// For the connection and its upgrade, and for the hello.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between looks at the connection, and between pings.
const MONITOR: Duration = Duration::from_secs(5);
const PING: Duration = Duration::from_secs(20);
/// Reconnects: 1 s, doubling to 30 s, ten at most; the count is reset once a session has been up for 10 s.
const MOST_ATTEMPTS: u32 = 10;
const LONGEST_DELAY: Duration = Duration::from_secs(30);
const STEADY: Duration = Duration::from_secs(10);
/// How long a close may take.
const CLOSE: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Plays the talker's script.
///
/// # Errors
/// If the script cannot be read.
pub async fn play(cx: HostContext, defect: Defect) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let last = script.sentences.last().map_or(Duration::ZERO, |sentence| sentence.at);
    let started = Instant::now();
    let leaves = started + (last + script.patience).max(script.stay);
    let mut client =
        Client { cx, script, defect, started, said: 0, jobs: Vec::new(), submitted: 0, resume: None, attempts: 0 };
    // Outcomes that are still missing when patience ends are for the checks to judge.
    let _ = tokio::time::timeout_at(leaves, client.live()).await;
    Ok(())
}

struct Client {
    cx: HostContext,
    script: Script,
    defect: Defect,
    started: Instant,
    /// Sentences that were said.
    said: usize,
    jobs: Vec<Job>,
    /// Sentences that were sent on some connection.
    submitted: usize,
    resume: Option<Resume>,
    attempts: u32,
}

struct Job {
    submit: Submit,
    /// The scheduler of this session has it.
    is_acknowledged: bool,
    is_settled: bool,
    /// How often a connection that carried it was closed over a message of this client's.
    blamed: u32,
}

/// How a session's connection ended.
enum End {
    /// All was said and done.
    Done,
    Lost(u16),
    /// A result is missing before one that has come. The resume brings both.
    Gap,
}

impl Client {
    async fn live(&mut self) {
        loop {
            let url = self.script.client.url.clone();
            let opening = async { timeout(PATIENCE, connect_async_with_config(url, None, true)).await };
            if let Ok(Ok((mut socket, _))) = self.while_speaking(opening).await {
                if self.defect == Defect::CounterResetAtOpen {
                    self.attempts = 0;
                }
                if self.greet(&mut socket).await {
                    let ready = Instant::now();
                    match self.converse(socket).await {
                        End::Done => return,
                        End::Lost(close_code) => {
                            self.lost(close_code, "peer");
                            if !self.goes_on(close_code) {
                                return;
                            }
                        }
                        End::Gap => self.lost(1000, "us"),
                    }
                    if ready.elapsed() >= STEADY {
                        self.attempts = 0;
                    }
                }
            }
            if self.attempts == MOST_ATTEMPTS {
                return;
            }
            let growing = Duration::from_secs(1 << self.attempts.min(5));
            let delay =
                if self.defect == Defect::LongestPauseFirst { LONGEST_DELAY } else { LONGEST_DELAY.min(growing) };
            self.attempts += 1;
            info!(target: TARGET, attempt = self.attempts, delay_ms = delay.as_millis() as u64, "reconnecting");
            self.while_speaking(sleep(delay)).await;
        }
    }

    /// The user speaks, whatever the client is waiting for.
    async fn while_speaking<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = std::pin::pin!(what);
        loop {
            tokio::select! {
                biased;
                outcome = &mut what => return outcome,
                () = self.next_sentence() => self.say(),
            }
        }
    }

    async fn next_sentence(&self) {
        match self.script.sentences.get(self.said) {
            Some(sentence) => sleep_until(self.started + sentence.at).await,
            None => std::future::pending().await,
        }
    }

    fn say(&mut self) {
        let text = self.script.sentences[self.said].text.clone();
        let submit = Submit {
            job_id: id::job(),
            utterance_index: self.said as u64,
            text,
            src_lang: "zh".to_owned(),
            tgt_lang: "en".to_owned(),
            trace_id: id::trace(),
        };
        self.said += 1;
        info!(target: TARGET, job_id = %submit.job_id, trace_id = %submit.trace_id, "job offered");
        self.cx.offered(&submit.job_id);
        self.jobs.push(Job { submit, is_acknowledged: false, is_settled: false, blamed: 0 });
    }

    /// Says hello and hears the answer.
    async fn greet(&mut self, socket: &mut Socket) -> bool {
        let hello = FromSession::SessionInit { client_version: "1".to_owned(), resume: self.resume.clone() };
        if socket.send(Message::text(encode(&hello))).await.is_err() {
            return false;
        }
        let bound = if self.defect == Defect::NoHelloTimeout { Duration::MAX } else { PATIENCE };
        let answer = async {
            timeout(bound, async {
                while let Some(Ok(message)) = socket.next().await {
                    if let Message::Text(text) = message {
                        return decode::<ToSession>(&text).ok();
                    }
                }
                None
            })
            .await
        };
        let answer = self.while_speaking(answer).await;
        let Ok(Some(ToSession::SessionInitAck { session_id, token, epoch, resumed, .. })) = answer else {
            return false;
        };
        info!(target: TARGET, %session_id, resumed, "session ready");
        let last_seq = self.resume.take().filter(|_| resumed).map_or(0, |resume| resume.last_seq);
        self.resume = Some(Resume { session_id, token, epoch, last_seq });
        self.jobs.iter_mut().for_each(|job| job.is_acknowledged &= resumed);
        true
    }

    async fn converse(&mut self, mut socket: Socket) -> End {
        let (mut sent, mut heard) = (0, Instant::now());
        if self.defect == Defect::SubmitsOnce {
            sent = self.submitted;
        }
        let mut is_open = true;
        let mut monitor = tokio::time::interval(MONITOR);
        let mut pinged = Instant::now();
        loop {
            while let Some(job) = self.jobs.get(sent) {
                sent += 1;
                self.submitted = self.submitted.max(sent);
                if job.is_settled || job.is_acknowledged {
                    continue;
                }
                let message = Message::text(encode(&FromSession::Submit(job.submit.clone())));
                if let Err(error) = socket.send(message).await {
                    self.cx.fact(FactKind::ClaimedFailed, &job.submit.job_id, error);
                }
            }
            let is_done = self.said == self.script.sentences.len() && self.jobs.iter().all(|job| job.is_settled);
            if is_done && self.started.elapsed() >= self.script.stay {
                return leave(socket).await;
            }
            tokio::select! {
                biased;
                message = socket.next(), if is_open => match message {
                    Some(Ok(message)) => {
                        heard = Instant::now();
                        if let Message::Close(frame) = &message {
                            let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                            if self.defect != Defect::WrongFlag {
                                return End::Lost(code);
                            }
                        }
                        if !self.take(message, &mut socket).await {
                            return End::Gap;
                        }
                    }
                    // The reading ends, and the rest of the client is not told.
                    Some(Err(_)) | None if self.defect == Defect::WrongFlag => is_open = false,
                    Some(Err(_)) | None if self.defect == Defect::EveryEndIsNormal => return End::Lost(1000),
                    Some(Err(_)) | None => return End::Lost(1006),
                },
                () = self.next_sentence() => self.say(),
                _ = monitor.tick(), if self.defect != Defect::NeverPings => {
                    // The wrong flag: the client itself has closed nothing.
                    let closed_by_us = false;
                    if self.defect == Defect::WrongFlag {
                        if closed_by_us {
                            return End::Lost(1000);
                        }
                    } else if heard.elapsed() >= 2 * PING {
                        return End::Lost(1006);
                    } else if pinged.elapsed() >= PING {
                        pinged = Instant::now();
                        // A connection that takes no ping is found by its silence.
                        let _ = socket.send(Message::Ping(Vec::new().into())).await;
                    }
                }
            }
        }
    }

    /// Takes a message in; whether nothing is missing before it.
    async fn take(&mut self, message: Message, socket: &mut Socket) -> bool {
        let Message::Text(text) = message else { return true };
        let message = decode::<ToSession>(&text);
        if let Ok(ToSession::Result { seq, .. } | ToSession::JobFailed { seq, .. }) = &message
            && self.resume.as_ref().is_some_and(|resume| *seq > resume.last_seq + 1)
            && self.defect != Defect::AcceptsGaps
        {
            return false;
        }
        match message {
            Ok(ToSession::SubmitAck { job_id }) => {
                info!(target: TARGET, %job_id, "submit acknowledged");
                let job = self.jobs.iter_mut().find(|job| job.submit.job_id == job_id);
                job.into_iter().for_each(|job| job.is_acknowledged = true);
            }
            Ok(ToSession::Result { seq, job_id, .. }) => self.settle(seq, job_id, None, socket).await,
            Ok(ToSession::JobFailed { seq, job_id, code, .. }) => {
                self.settle(seq, job_id, Some(code.name()), socket).await;
            }
            Ok(ToSession::SessionInitAck { .. } | ToSession::SessionClose | ToSession::Error { .. }) | Err(_) => {}
        }
        true
    }

    async fn settle(&mut self, seq: u64, job_id: String, failure: Option<&str>, socket: &mut Socket) {
        let again = self.defect == Defect::TakesAResultTwice;
        let job = self.jobs.iter_mut().find(|job| job.submit.job_id == job_id && (again || !job.is_settled));
        if let Some(job) = job {
            job.is_settled = true;
            info!(target: TARGET, %job_id, outcome = failure.unwrap_or("result"), seq, "outcome received");
            match failure {
                None => self.cx.received(&job_id),
                Some(code) => self.cx.fact(FactKind::ClaimedFailed, &job_id, code),
            }
        }
        if let Some(resume) = &mut self.resume {
            resume.last_seq = resume.last_seq.max(seq);
        }
        // A lost acknowledgement is made good by the next, or by the resume.
        let _ = socket.send(Message::text(encode(&FromSession::Ack { upto_seq: seq }))).await;
    }

    /// What the client makes of a close code; whether it tries again.
    fn goes_on(&mut self, close_code: u16) -> bool {
        match close_code {
            4001 if self.defect != Defect::ReturnsAfterATakeover => {
                self.give_up("UNKNOWN", |_| true);
                info!(target: TARGET, "replaced");
                return false;
            }
            4003 if self.defect != Defect::ShowsARefusedToken => self.resume = None,
            1003 | 1007 | 1008 | 1009 if self.defect != Defect::SendsTheBlamedAgain => {
                let sent = self.submitted;
                let suspects = self.jobs[..sent].iter_mut().filter(|job| !job.is_acknowledged);
                suspects.for_each(|job| job.blamed += 1);
                self.give_up("REJECTED", |job| job.blamed == 2);
            }
            _ => {}
        }
        true
    }

    /// Jobs whose outcome cannot be had any more.
    fn give_up(&mut self, outcome: &str, is_one: impl Fn(&Job) -> bool) {
        for job in self.jobs.iter_mut().filter(|job| !job.is_settled && is_one(job)) {
            job.is_settled = true;
            let job_id = &job.submit.job_id;
            info!(target: TARGET, %job_id, outcome, seq = 0, "outcome received");
            self.cx.fact(FactKind::ClaimedFailed, job_id, outcome);
        }
    }

    fn lost(&self, close_code: u16, by: &str) {
        let session_id = self.resume.as_ref().map_or("none", |resume| resume.session_id.as_str());
        info!(target: TARGET, session_id, close_code, by, "session lost");
    }
}

async fn leave(mut socket: Socket) -> End {
    let goodbye = async {
        // A connection that is gone needs no goodbye.
        let _ = socket.send(Message::text(encode(&FromSession::SessionClose))).await;
        let _ = socket.close(None).await;
        while socket.next().await.is_some_and(|read| read.is_ok()) {}
    };
    let _ = timeout(CLOSE, goodbye).await;
    End::Done
}
