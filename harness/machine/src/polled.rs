//! The shell of a machine that is pulled by a reader: a response body, a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use crate::{Bug, Machine};

/// What a pulled machine needs of the world.
pub trait PolledShell<M: Machine> {
    /// The next input; when there is none, the task of `cx` is woken once there is.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<M::Input>;

    /// Carries one output out.
    fn perform(&mut self, output: M::Output);

    /// Whether the reader has what it asked for. Asked when all outputs have been carried out.
    fn is_settled(&self, machine: &M) -> bool;

    /// The machine has a bug, which has been logged: what it is busy with is over.
    fn bug(&mut self, bug: Bug);
}

/// A machine that works only while its reader polls it, on tokio's clock.
#[derive(Debug)]
pub struct Polled<M> {
    machine: M,
    timer: Pin<Box<Sleep>>,
}

impl<M: Machine<Time = Instant>> Polled<M> {
    /// Nothing happens until it is polled.
    pub fn new(machine: M) -> Self {
        let timer = Box::pin(sleep_until(machine.next_timeout().unwrap_or_else(now).into()));
        Self { machine, timer }
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Hands an input in.
    pub fn handle<S: PolledShell<M>>(&mut self, input: M::Input, shell: &mut S) {
        let result = self.machine.handle(input, now());
        self.carry_out(result, shell);
    }

    /// Works until the shell says that the reader has what it asked for. An input that has come counts before a deadline that has been
    /// reached.
    pub fn poll<S: PolledShell<M>>(&mut self, shell: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        while !shell.is_settled(&self.machine) {
            match shell.poll_input(cx) {
                Poll::Ready(input) => self.handle(input, shell),
                Poll::Pending => {
                    ready!(self.poll_timer(cx));
                    let result = self.machine.handle_timeout(now());
                    self.carry_out(result, shell);
                }
            }
        }
        Poll::Ready(())
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timeout) = self.machine.next_timeout() else { return Poll::Pending };
        // Resetting a timer is a lock: most polls change nothing.
        if self.timer.deadline().into_std() != timeout {
            self.timer.as_mut().reset(timeout.into());
        }
        self.timer.as_mut().poll(cx)
    }

    fn carry_out<S: PolledShell<M>>(&mut self, result: Result<(), Bug>, shell: &mut S) {
        while let Some(output) = self.machine.poll_output() {
            shell.perform(output);
        }
        if let Err(bug) = result {
            tracing::error!(%bug, "a bug of this service");
            shell.bug(bug);
        }
    }
}

/// tokio's clock, which a test or a simulation can hold still.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    /// Doubles numbers, and says 0 every second.
    struct Doubler {
        due: Instant,
        outputs: VecDeque<u32>,
    }

    impl Machine for Doubler {
        type Time = Instant;
        type Input = u32;
        type Output = u32;

        fn handle(&mut self, input: u32, _now: Instant) -> Result<(), Bug> {
            self.outputs.push_back(2 * input);
            Ok(())
        }

        fn handle_timeout(&mut self, now: Instant) -> Result<(), Bug> {
            if self.due <= now {
                self.due = now + Duration::from_secs(1);
                self.outputs.push_back(0);
            }
            Ok(())
        }

        fn poll_output(&mut self) -> Option<u32> {
            self.outputs.pop_front()
        }

        fn next_timeout(&self) -> Option<Instant> {
            Some(self.due)
        }
    }

    /// A reader that wants one number at a time.
    #[derive(Default)]
    struct Reader {
        inputs: VecDeque<u32>,
        wanted: VecDeque<u32>,
    }

    impl PolledShell<Doubler> for Reader {
        fn poll_input(&mut self, _cx: &mut Context<'_>) -> Poll<u32> {
            self.inputs.pop_front().map_or(Poll::Pending, Poll::Ready)
        }

        fn perform(&mut self, output: u32) {
            self.wanted.push_back(output);
        }

        fn is_settled(&self, _machine: &Doubler) -> bool {
            !self.wanted.is_empty()
        }

        fn bug(&mut self, bug: Bug) {
            unreachable!("{bug}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pulled_machine_takes_no_more_inputs_than_its_reader_needs_and_keeps_its_deadlines() {
        let start = now();
        let mut polled = Polled::new(Doubler { due: start + Duration::from_secs(1), outputs: VecDeque::new() });
        let mut reader = Reader { inputs: VecDeque::from([3, 4]), ..Reader::default() };
        let mut seen = Vec::new();
        for _ in 0..4 {
            poll_fn(|cx| polled.poll(&mut reader, cx)).await;
            seen.push((reader.wanted.pop_front(), reader.inputs.len(), (now() - start).as_secs()));
        }
        assert_eq!(seen, [(Some(6), 1, 0), (Some(8), 0, 0), (Some(0), 0, 1), (Some(0), 0, 2)]);
    }
}
