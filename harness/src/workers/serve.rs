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
use crate::sim;
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
            Request::Play { series, seed, depth } => Some(match self.plan(series, Some(seed)) {
                Ok(plan) => self.play(series, &plan, depth),
                Err(sentence) => Reply::Faulty(sentence),
            }),
            Request::PlayWith { series, faults, depth } => {
                let plan = self.plan(series, None).and_then(|plan| self.with_faults(plan, &faults));
                Some(match plan {
                    Ok(plan) => self.play(series, &plan, depth),
                    Err(sentence) => Reply::Faulty(sentence),
                })
            }
        }
    }

    /// The plan of a series: drawn for a seed, if the series is drawn and a seed is given.
    fn plan(&self, place: usize, seed: Option<Seed>) -> Result<Plan, String> {
        match (self.open.get(&place), seed) {
            (Some(Ok((capsule, true))), Some(seed)) => Ok(Plan::draw(&capsule.plan.scenario, seed)),
            (Some(Ok((capsule, _))), _) => Ok(capsule.plan.clone()),
            (Some(Err(sentence)), _) => Err(sentence.clone()),
            (None, _) => Err(format!("failed to play series {place}: it was never opened")),
        }
    }

    fn with_faults(&self, plan: Plan, tables: &str) -> Result<Plan, String> {
        let registry = self.player.catalogue().faults();
        plan.with_faults(tables, Path::new("a worker's request"), registry).map_err(|error| error.to_string())
    }

    fn play(&mut self, place: usize, plan: &Plan, depth: Depth) -> Reply {
        let series = Series { scenario: plan.scenario.clone(), defect: None };
        match self.player.play(&series, place, plan, depth) {
            Report::Played(played) => Reply::Played(played),
            Report::Lost(loss) => Reply::Lost(loss),
            Report::Faulty(error) => Reply::Faulty(chain(&error)),
        }
    }
}
