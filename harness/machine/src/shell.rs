//! The shell that drives a machine on tokio's clock.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Instant;

use tokio::time::sleep_until;

use crate::{Bug, Machine};

/// Inputs that may go before a deadline that has been reached. A peer that talks without a pause must not keep a machine from its
/// deadlines for ever.
const INPUTS_BEFORE_A_DEADLINE: u32 = 64;

/// What a machine needs of the world: inputs, and somebody who does what it says.
pub trait Shell<M: Machine> {
    /// What [`drive`] ends with.
    type End;

    /// Waits for the next input. It must be safe to drop the future before it is ready: nothing is lost by it.
    fn next_input(&mut self) -> impl Future<Output = M::Input> + Send;

    /// Carries one output out. What comes of it at once (a queue that is full, a connection that is gone) is put into `inputs`, and is handled
    /// before anything else is waited for; `Break` ends the drive.
    fn perform(&mut self, output: M::Output, inputs: &mut VecDeque<M::Input>) -> ControlFlow<Self::End>;

    /// All outputs of an input or a timeout have been carried out, and nothing has come of them. `Break` ends the drive.
    fn settled(&mut self, machine: &M) -> ControlFlow<Self::End> {
        let _ = machine;
        ControlFlow::Continue(())
    }

    /// The machine has a bug. It has been logged; what it was busy with (the connection of the last input) should be ended.
    fn bug(&mut self, bug: Bug, inputs: &mut VecDeque<M::Input>);
}

/// Drives a machine until its shell ends it. Inputs that have come count before a deadline that has been reached, but not for ever: after a
/// fixed number of them it is the deadline's turn.
pub async fn drive<M, S>(machine: &mut M, shell: &mut S) -> S::End
where
    M: Machine<Time = Instant>,
    S: Shell<M>,
{
    let mut inputs = VecDeque::new();
    let mut inputs_in_a_row = 0;
    loop {
        if let ControlFlow::Break(end) = carry_out(machine, shell, &mut inputs) {
            return end;
        }
        let timeout = machine.next_timeout();
        let is_due = timeout.is_some_and(|timeout| timeout <= now());
        let input = tokio::select! {
            biased;
            input = shell.next_input(), if !is_due || inputs_in_a_row < INPUTS_BEFORE_A_DEADLINE => Some(input),
            () = until(timeout) => None,
        };
        let result = match input {
            Some(input) => {
                inputs_in_a_row = if is_due { inputs_in_a_row + 1 } else { 0 };
                machine.handle(input, now())
            }
            None => {
                inputs_in_a_row = 0;
                machine.handle_timeout(now())
            }
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
            return shell.settled(machine);
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

async fn until(timeout: Option<Instant>) {
    match timeout {
        Some(timeout) => sleep_until(timeout.into()).await,
        None => std::future::pending().await,
    }
}

/// tokio's clock, which a test or a simulation can hold still.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Says what happens to it, and is due every second.
    struct Diary {
        due: Instant,
        outputs: VecDeque<String>,
    }

    impl Machine for Diary {
        type Time = Instant;
        type Input = &'static str;
        type Output = String;

        fn handle(&mut self, input: &'static str, _now: Instant) -> Result<(), Bug> {
            self.outputs.push_back(input.to_owned());
            Ok(())
        }

        fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
            if self.due <= now {
                self.due = now + Duration::from_secs(1);
                self.outputs.push_back("timeout".to_owned());
            }
            Ok(())
        }

        fn poll_output(&mut self) -> Option<String> {
            self.outputs.pop_front()
        }

        fn next_timeout(&self) -> Option<Instant> {
            Some(self.due)
        }
    }

    /// Gives the inputs that it has, repeats the last one for ever if it is told to, and ends at an output.
    struct Script {
        inputs: VecDeque<&'static str>,
        forever: Option<&'static str>,
        end: &'static str,
        seen: Vec<String>,
    }

    impl Shell<Diary> for Script {
        type End = ();

        async fn next_input(&mut self) -> &'static str {
            match self.inputs.pop_front().or(self.forever) {
                Some(input) => input,
                None => std::future::pending().await,
            }
        }

        fn perform(&mut self, output: String, inputs: &mut VecDeque<&'static str>) -> ControlFlow<()> {
            if output == "ask" {
                inputs.push_back("answer");
            }
            let is_end = output == self.end;
            self.seen.push(output);
            if is_end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        fn bug(&mut self, bug: Bug, _inputs: &mut VecDeque<&'static str>) {
            unreachable!("{bug}");
        }
    }

    async fn played(inputs: &[&'static str], forever: Option<&'static str>, late: bool) -> Vec<String> {
        let start = now();
        let mut diary =
            Diary { due: if late { start } else { start + Duration::from_secs(1) }, outputs: VecDeque::new() };
        let mut script = Script { inputs: inputs.iter().copied().collect(), forever, end: "timeout", seen: Vec::new() };
        drive(&mut diary, &mut script).await;
        script.seen
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_of_an_output_is_handled_before_the_next_input() {
        assert_eq!(played(&["ask", "input"], None, false).await, ["ask", "answer", "input", "timeout"]);
    }

    #[tokio::test(start_paused = true)]
    async fn inputs_that_have_come_go_before_a_deadline_that_has_been_reached() {
        assert_eq!(played(&["one", "two"], None, true).await, ["one", "two", "timeout"]);
    }

    #[tokio::test(start_paused = true)]
    async fn inputs_without_end_do_not_keep_a_machine_from_its_deadline() {
        let seen = played(&[], Some("again"), true).await;
        assert_eq!(seen.len(), INPUTS_BEFORE_A_DEADLINE as usize + 1);
    }
}
