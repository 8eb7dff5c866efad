//! The plane under the contract of a machine does what its methods do.

use halfopen_machine::Machine as _;
use halfopen_machine::testing::Strict;
use proptest::prelude::*;

use super::*;
use crate::plane::PlaneMachine;
use crate::plane::machine::{Input, Output};

/// What is done with one connection; pieces cut what the client sends.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Wait,
    Fin,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![6 => (1..40_usize).prop_map(Step::Send), 2 => Just(Step::Wait), 1 => Just(Step::Fin)];
    prop::collection::vec(step, 0..40)
}

fn faults() -> [Fault; 2] {
    [
        fault(message(2, Direction::ToServer, Edge::Before), crate::fault::Reset { to: crate::fault::Ends::Both }),
        fault(Trigger::At(secs(3)), crate::fault::Reset { to: crate::fault::Ends::Both }),
    ]
}

/// A WebSocket client's bytes: its handshake, and text after text.
fn traffic() -> Vec<u8> {
    let mut bytes = UPGRADE.to_vec();
    for _ in 0..40 {
        bytes.extend_from_slice(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    }
    bytes
}

proptest! {
    #[test]
    fn a_machine_answers_what_the_methods_answer(steps in steps(), with_faults: bool) {
        let faults = if with_faults { faults().to_vec() } else { Vec::new() };
        let mut machine = Strict::new(PlaneMachine::new(Plane::new(&faults)));
        machine.take_outputs();
        let mut fixture = Fixture { plane: Plane::new(&faults), now: Duration::ZERO, rest: Bytes::new() };
        let (verdict, effects) = fixture.connect(1);
        machine.handle(Input::Connect(key(1), connection(1)), Duration::ZERO)?;
        let mut wanted: Vec<_> = effects.into_iter().map(Output::Effect).collect();
        wanted.push(Output::Verdict(key(1), verdict));
        prop_assert_eq!(machine.take_outputs(), wanted);
        let mut traffic = Bytes::from(traffic());
        let direction = Direction::ToServer;
        for step in steps {
            let mut wanted: Vec<_> = match step {
                Step::Send(bytes) => {
                    let piece = traffic.split_to(bytes.min(traffic.len()));
                    machine.handle(Input::Bytes(key(1), direction, piece.clone()), fixture.now)?;
                    fixture.send(direction, &piece)
                }
                Step::Fin => {
                    machine.handle(Input::Fin(key(1), direction), fixture.now)?;
                    fixture.rest = Bytes::new();
                    fixture.fin(direction)
                }
                Step::Wait => {
                    let Some(at) = machine.next_timeout() else { continue };
                    prop_assert_eq!(fixture.plane.next_deadline(), Some(at));
                    machine.handle_timeout(at)?;
                    fixture.rest = Bytes::new();
                    fixture.wait()
                }
            }
            .into_iter()
            .map(Output::Effect)
            .collect();
            if !fixture.rest.is_empty() {
                wanted.push(Output::Unpassed(key(1), direction, fixture.rest.clone()));
            }
            prop_assert_eq!(machine.take_outputs(), wanted);
        }
    }
}
