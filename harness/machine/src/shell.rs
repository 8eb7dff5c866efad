//! The shell that drives a machine on tokio's clock.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Instant;

use tokio::time::sleep_until;

use crate::{Bug, Machine};

/// What a machine needs of the world: inputs, and somebody who does what it says.
pub trait Shell<M: Machine> {
    /// What [`drive`] ends with.
    type End;

    /// Waits for the next input. It must be safe to drop the future before it is ready: nothing is lost by it.
    fn next_input(&mut self) -> impl Future<Output = M::Input> + Send;

    /// Carries one output out. What comes of it at once (a queue that is full, a connection that is gone) is put into `inputs`, and is handled
    /// before anything else is waited for; `Break` ends the drive.
    fn perform(&mut self, output: M::Output, inputs: &mut VecDeque<M::Input>) -> ControlFlow<Self::End>;

    /// All outputs of an input or a timeout have been carried out.
    fn settled(&mut self, machine: &M) {
        let _ = machine;
    }

    /// The machine has a bug. It has been logged; what it was busy with (the connection of the last input) should be ended.
    fn bug(&mut self, bug: Bug, inputs: &mut VecDeque<M::Input>);
}

/// Drives a machine until an output ends it. An input that has come counts before a deadline that has been reached.
pub async fn drive<M, S>(machine: &mut M, shell: &mut S) -> S::End
where
    M: Machine<Time = Instant>,
    S: Shell<M>,
{
    let mut inputs = VecDeque::new();
    loop {
        if let ControlFlow::Break(end) = carry_out(machine, shell, &mut inputs) {
            return end;
        }
        let timeout = machine.next_timeout();
        let input = tokio::select! {
            biased;
            input = shell.next_input() => Some(input),
            () = sleep_until(timeout.unwrap_or_else(now).into()), if timeout.is_some() => None,
        };
        let result = match input {
            Some(input) => machine.handle(input, now()),
            None => machine.handle_timeout(now()),
        };
        report(result, shell, &mut inputs);
    }
}

/// Carries every output out, and feeds what comes of it back, until there is none.
fn carry_out<M, S>(machine: &mut M, shell: &mut S, inputs: &mut VecDeque<M::Input>) -> ControlFlow<S::End>
where
    M: Machine<Time = Instant>,
    S: Shell<M>,
{
    loop {
        while let Some(output) = machine.poll_output() {
            shell.perform(output, inputs)?;
        }
        let Some(input) = inputs.pop_front() else {
            shell.settled(machine);
            return ControlFlow::Continue(());
        };
        let result = machine.handle(input, now());
        report(result, shell, inputs);
    }
}

fn report<M: Machine, S: Shell<M>>(result: Result<(), Bug>, shell: &mut S, inputs: &mut VecDeque<M::Input>) {
    if let Err(bug) = result {
        tracing::error!(%bug, "a bug of this service");
        shell.bug(bug, inputs);
    }
}

/// tokio's clock, which a test or a simulation can hold still.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
