//! How many connections there may be. A connection waits until its request is there, and is seated once it has become a
//! WebSocket: those who are slow to ask take nothing from those who have been admitted. Beyond the bounds a few are
//! still let in for a moment, so that a health endpoint answers while everything is full.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the door is looked at while the first who finds no room waits.
const LOOKS: u32 = 20;

/// How many there may be of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections that have not been seated.
    pub waiting: usize,
    /// Connections that have been.
    pub seated: usize,
    /// Connections of one address, waiting and seated: of one IPv4 address, or of one IPv6 network of 64 bits.
    pub per_address: usize,
    /// Connections beyond those, which are told that there is no room.
    pub beyond: usize,
}

/// The door of one port; clones count together.
#[derive(Clone, Debug)]
pub struct Door {
    bounds: Bounds,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: usize,
    seated: usize,
    beyond: usize,
    of_address: BTreeMap<IpAddr, usize>,
    /// It was told that connections are refused, and not yet that they are not any more.
    told: bool,
}

/// What becomes of a connection that comes.
#[derive(Debug)]
pub enum Entry {
    /// It may ask.
    Admitted(Guest),
    /// There is no room, and it may be told so. The flag is set for the first of a row: it is worth a line in the log.
    Beyond(Guest, bool),
    /// There is no room for telling it either.
    Refused,
}

/// One connection's place, free again when it is dropped.
#[derive(Debug)]
pub struct Guest {
    door: Door,
    address: IpAddr,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting,
    Seated,
    Beyond,
}

impl Door {
    /// A door that no connection has passed yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, counts: Arc::default() }
    }

    /// A connection from this address has come.
    #[must_use]
    pub fn enter(&self, address: IpAddr) -> Entry {
        let address = network_of(address);
        let mut counts = self.lock();
        if self.has_room(&counts, address) {
            counts.waiting += 1;
            *counts.of_address.entry(address).or_default() += 1;
            counts.told = false;
            return Entry::Admitted(self.guest(address, Place::Waiting));
        }
        if counts.beyond >= self.bounds.beyond {
            return Entry::Refused;
        }
        counts.beyond += 1;
        let first = !std::mem::replace(&mut counts.told, true);
        Entry::Beyond(self.guest(address, Place::Beyond), first)
    }

    /// As [`Door::enter`], but the first of a row that finds no room waits for up to `patience`: connections that hold the room
    /// may have left, and nothing of the service has read so yet. `wait` is the caller's clock.
    pub async fn admit(&self, address: IpAddr, patience: Duration, wait: impl AsyncFn(Duration)) -> Entry {
        for _ in 0..LOOKS {
            if !self.would_be_first_refused(address) {
                break;
            }
            wait(patience / LOOKS).await;
        }
        self.enter(address)
    }

    fn would_be_first_refused(&self, address: IpAddr) -> bool {
        let counts = self.lock();
        !counts.told && !self.has_room(&counts, network_of(address))
    }

    fn has_room(&self, counts: &Counts, address: IpAddr) -> bool {
        let of_address = counts.of_address.get(&address).copied().unwrap_or(0);
        counts.waiting < self.bounds.waiting && of_address < self.bounds.per_address
    }

    /// Connections that wait, are seated, and are beyond the bounds.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        let counts = self.lock();
        [counts.waiting, counts.seated, counts.beyond]
    }

    fn guest(&self, address: IpAddr, place: Place) -> Guest {
        Guest { door: self.clone(), address, place }
    }

    /// Counts are whole after every statement, so a panic in between leaves them usable.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// Whether it came beyond the bounds.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        self.place == Place::Beyond
    }

    /// Takes a seat. Whether there was one.
    pub fn sit(&mut self) -> bool {
        let mut counts = self.door.lock();
        if self.place != Place::Waiting || counts.seated >= self.door.bounds.seated {
            return false;
        }
        counts.waiting -= 1;
        counts.seated += 1;
        self.place = Place::Seated;
        true
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.door.lock();
        match self.place {
            Place::Waiting => counts.waiting -= 1,
            Place::Seated => counts.seated -= 1,
            Place::Beyond => {
                counts.beyond -= 1;
                return;
            }
        }
        if let Some(count) = counts.of_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.of_address.remove(&self.address);
            }
        }
    }
}

/// Who has one IPv6 address has the 2^64 beside it.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.into(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const BOUNDS: Bounds = Bounds { waiting: 2, seated: 1, per_address: 2, beyond: 1 };

    fn from(door: &Door, address: &str) -> Entry {
        door.enter(address.parse().expect("an address"))
    }

    fn admitted(door: &Door, address: &str) -> Guest {
        match from(door, address) {
            Entry::Admitted(guest) => guest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_is_slow_to_ask_takes_nothing_from_who_is_seated() {
        let door = Door::new(BOUNDS);
        let mut first = admitted(&door, "10.0.0.1");
        assert!(first.sit() && !first.sit(), "once");
        let (mut slow, _other) = (admitted(&door, "10.0.0.2"), admitted(&door, "10.0.0.3"));
        assert_eq!(door.counts(), [2, 1, 0]);
        assert!(!slow.sit(), "there is one seat");
        drop(first);
        assert!(slow.sit());
        assert_eq!(door.counts(), [1, 1, 0]);
    }

    #[test]
    fn beyond_the_bounds_a_few_are_told_and_the_first_of_a_row_is_worth_a_line() {
        let door = Door::new(BOUNDS);
        let waiting = [admitted(&door, "10.0.0.1"), admitted(&door, "10.0.0.2")];
        let Entry::Beyond(mut guest, true) = from(&door, "10.0.0.3") else { panic!("it is told") };
        assert!(guest.is_beyond() && !guest.sit());
        assert!(matches!(from(&door, "10.0.0.3"), Entry::Refused));
        drop(guest);
        assert!(matches!(from(&door, "10.0.0.3"), Entry::Beyond(_, false)));
        drop(waiting);
        assert_eq!(door.counts(), [0, 0, 0]);
        let _one = (admitted(&door, "10.0.0.1"), admitted(&door, "10.0.0.1"));
        assert!(matches!(from(&door, "10.0.0.1"), Entry::Beyond(_, true)), "another row");
    }

    #[test]
    fn the_first_without_room_waits_for_who_has_left_and_the_others_are_told_at_once() {
        let door = Door::new(BOUNDS);
        let address = "10.0.0.3".parse().expect("an address");
        let waiting = RefCell::new(vec![admitted(&door, "10.0.0.1"), admitted(&door, "10.0.0.2")]);
        let waits = RefCell::new(Vec::new());
        let wait = async |pause: Duration| {
            waits.borrow_mut().push(pause);
            if waits.borrow().len() == 3 {
                waiting.borrow_mut().pop();
            }
        };
        let patience = Duration::from_millis(100);
        assert!(matches!(now(door.admit(address, patience, &wait)), Entry::Admitted(_)));
        assert_eq!(waits.take(), [Duration::from_millis(5); 3], "a place was free after the third");

        waiting.borrow_mut().push(admitted(&door, "10.0.0.2"));
        let wait = async |pause: Duration| waits.borrow_mut().push(pause);
        let beyond = now(door.admit(address, patience, &wait));
        assert!(matches!(beyond, Entry::Beyond(_, true)) && waits.take().len() == 20, "nobody has left");
        drop(beyond);
        assert!(matches!(now(door.admit(address, patience, &wait)), Entry::Beyond(_, false)));
        assert_eq!(waits.take(), [], "the row has begun");
    }

    /// What a future that has nothing to wait for ends in.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => ended,
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn one_address_takes_no_more_than_its_part_and_an_ipv6_network_is_one() {
        let door = Door::new(Bounds { waiting: 9, ..BOUNDS });
        let guests = [admitted(&door, "2001:db8::1"), admitted(&door, "2001:db8::2")];
        assert!(matches!(from(&door, "2001:db8::3"), Entry::Beyond(..)));
        let _other = admitted(&door, "2001:db8:0:1::1");
        let _mapped = [admitted(&door, "::ffff:10.0.0.1"), admitted(&door, "10.0.0.1")];
        assert!(matches!(from(&door, "10.0.0.1"), Entry::Beyond(..)));
        drop(guests);
        drop(admitted(&door, "2001:db8::3"));
    }
}
