//! A session of `halfopen-client`, as an application has it.

use std::net::SocketAddr;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use halfopen_client::{Client, Config, JobHandle, JobOutcome};

use crate::{IN_FLIGHT, Session};

pub(crate) struct HalfopenSession {
    client: Client,
}

impl HalfopenSession {
    pub(crate) async fn connect(scheduler: SocketAddr) -> Self {
        let config = Config { url: format!("ws://{scheduler}/ws/session"), ..Config::default() };
        Self { client: halfopen_client::connect(config).expect("a good configuration") }
    }

    fn submit(&self) -> JobHandle {
        self.client.submit("早上好,今天的会议从九点开始,请准时参加。").expect("room for a job")
    }
}

impl Session for HalfopenSession {
    async fn play(&mut self, jobs: usize) {
        let mut open: FuturesUnordered<JobHandle> = (0..IN_FLIGHT.min(jobs)).map(|_| self.submit()).collect();
        let mut left = jobs - open.len();
        // A handle resolves once; that all of them do is that every job comes back.
        while let Some(outcome) = open.next().await {
            assert!(matches!(outcome, JobOutcome::Result { .. }), "{outcome:?}");
            if left > 0 {
                left -= 1;
                open.push(self.submit());
            }
        }
    }

    async fn leave(self) {
        self.client.close().await;
    }
}
