//! A node works on nothing that it was told to leave: its tasks are as many as the jobs that it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::HostName;

use super::history::{History, Moment, What};
use super::{NodeProtocol, Rule, begins_or_ends_a_life};

/// The gauges of a node.
#[derive(Default)]
struct Gauges {
    running_jobs: u64,
    worker_tasks: u64,
    /// Since when there are more tasks than jobs, and the record that says so.
    beyond: Option<(Duration, usize)>,
}

pub(super) struct Tasks<'a> {
    numbers: &'a NodeProtocol,
    nodes: BTreeMap<HostName, Gauges>,
}

impl<'a> Tasks<'a> {
    pub(super) fn new(numbers: &'a NodeProtocol) -> Self {
        Self { numbers, nodes: BTreeMap::new() }
    }
}

impl Rule for Tasks<'_> {
    fn take(&mut self, moment: &Moment<'_>, _: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) if begins_or_ends_a_life(event) => {
                self.nodes.remove(*host);
            }
            What::Node(host, event) if event.message == "gauge" => {
                let node = self.nodes.entry((*host).clone()).or_default();
                let value = event.field("value").and_then(|value| value.parse().ok()).unwrap_or_default();
                match event.field("name") {
                    Some("running_jobs") => node.running_jobs = value,
                    Some("worker_tasks") => node.worker_tasks = value,
                    Some(_) | None => {}
                }
                let is_beyond = node.worker_tasks > node.running_jobs;
                node.beyond = node.beyond.filter(|_| is_beyond).or(is_beyond.then_some((moment.at, moment.place)));
            }
            // Without a connection a node tells no gauge.
            What::Node(host, event) if event.message == "scheduler lost" => {
                self.nodes.remove(*host);
            }
            _ => {}
        }
        Ok(())
    }

    fn until(&mut self, now: Duration, _: &History<'_>) -> Result<(), Finding> {
        // Gauges are told when something happens, which is a heartbeat at the latest.
        let patience = self.numbers.heartbeat + self.numbers.on_the_way * 2;
        for (host, node) in &self.nodes {
            if let Some((since, place)) = node.beyond
                && since + patience < now
            {
                let (tasks, jobs) = (node.worker_tasks, node.running_jobs);
                let sentence = format!("{host} runs {jobs} jobs, and {tasks} of its tasks are at work.");
                return Err(Finding::new("goes on with cancelled work", sentence).witness([place]).role(Some(host)));
            }
        }
        Ok(())
    }
}
