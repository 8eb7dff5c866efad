//! A worker from inside.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::ExitCode;

use super::message::{Reply, Request};
use super::process::{MUTE, WORKER};
use crate::capsule::Capsule;
use crate::catalogue::Catalogue;
use crate::error::chain;
use crate::plan::Plan;
use crate::seed::Seed;
use crate::sim::{self, SimError};
use crate::sweep::{Depth, Player, Report, Series};

/// Whether this process was started to be a worker.
pub(crate) fn is_worker() -> bool {
    std::env::var_os(WORKER).is_some()
}

/// Plays runs until no more are asked for.
pub(crate) fn serve(catalogue: &Catalogue) -> ExitCode {
    let Some((requests, mut replies)) = sim::become_worker() else {
        // Somebody has set the variable by hand.
        return ExitCode::from(2);
    };
    if answer(&mut replies, &Reply::Ready).is_err() {
        fall_mute();
    }
    let mut desk = Desk { player: Player::new(catalogue), open: BTreeMap::new() };
    for line in BufReader::new(requests).lines() {
        let reply = match line.as_deref().map(serde_json::from_str) {
            Ok(Ok(request)) => desk.take(request),
            Ok(Err(error)) => Some(Reply::Faulty(format!("failed to understand a request: {}", chain(&error)))),
            Err(_) => fall_mute(),
        };
        if let Some(reply) = reply
            && answer(&mut replies, &reply).is_err()
        {
            fall_mute();
        }
    }
    ExitCode::SUCCESS
}

/// Nothing is closed on the way: what this would close is closed, and may be somebody else's by now.
fn fall_mute() -> ! {
    std::process::exit(MUTE.into())
}

fn answer(replies: &mut File, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    replies.write_all(&line)
}

/// What is open, and who plays it.
struct Desk<'a> {
    player: Player<'a>,
    open: BTreeMap<usize, Result<(Capsule, bool), String>>,
}

impl Desk<'_> {
    fn take(&mut self, request: Request) -> Option<Reply> {
        match request {
            Request::Watchdog(wall) => {
                sim::set_watchdog(wall);
                None
            }
            Request::Open { series, capsule, drawn } => {
                let faults = self.player.catalogue().faults();
                let capsule = Capsule::from_toml_with(&capsule, Path::new("a worker's request"), faults);
                self.open.insert(series, capsule.map(|capsule| (capsule, drawn)).map_err(|error| error.to_string()));
                None
            }
            Request::Play { series, seed, depth } => Some(self.play_seed(series, seed, depth)),
            Request::PlayWith { series, faults, depth } => {
                let plan = self.plan(series).and_then(|plan| self.with_faults(plan, &faults));
                Some(match plan {
                    Ok(plan) => self.play(series, &plan, depth),
                    Err(sentence) => Reply::Faulty(sentence),
                })
            }
        }
    }

    /// The plan of a series, as it was opened.
    fn plan(&self, place: usize) -> Result<Plan, String> {
        match self.open.get(&place) {
            Some(Ok((capsule, _))) => Ok(capsule.plan.clone()),
            Some(Err(sentence)) => Err(sentence.clone()),
            None => Err(format!("failed to play series {place}: it was never opened")),
        }
    }

    fn with_faults(&self, plan: Plan, tables: &str) -> Result<Plan, String> {
        let registry = self.player.catalogue().faults();
        plan.with_faults(tables, Path::new("a worker's request"), registry).map_err(|error| error.to_string())
    }

    fn play_seed(&mut self, place: usize, seed: Seed, depth: Depth) -> Reply {
        let (capsule, is_drawn) = match self.open.get(&place) {
            Some(Ok((capsule, is_drawn))) => (capsule, *is_drawn),
            Some(Err(sentence)) => return Reply::Faulty(sentence.clone()),
            None => return Reply::Faulty(format!("failed to play series {place}: it was never opened")),
        };
        let series = Series { scenario: capsule.plan.scenario.clone(), defect: None };
        reply(if is_drawn {
            self.player.play_seed(&series, place, seed, depth)
        } else {
            self.player.play(&series, place, &capsule.plan, depth)
        })
    }

    fn play(&mut self, place: usize, plan: &Plan, depth: Depth) -> Reply {
        let series = Series { scenario: plan.scenario.clone(), defect: None };
        reply(self.player.play(&series, place, plan, depth))
    }
}

fn reply(report: Report) -> Reply {
    match report {
        Report::Played(played) => Reply::Played(played),
        Report::Lost(loss) => Reply::Lost(loss),
        Report::Faulty(SimError::Config { host, path, sentence, suggestion }) => {
            Reply::Misfit { host, path, sentence, suggestion }
        }
        Report::Faulty(error) => Reply::Faulty(chain(&error)),
    }
}
