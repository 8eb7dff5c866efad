//! Identifiers, tokens and seeds. Each is drawn from the operating system, without a generator that a thread shares: so two parties in one
//! process never influence each other's ids.

use rand::TryRng;
use rand::rngs::SysRng;

/// A session: `s-` and 8 upper-case hex digits. Short, for logs; the token is what proves ownership.
#[must_use]
pub fn session() -> String {
    format!("s-{:08X}", u32::from_be_bytes(bytes()))
}

/// A node: `node-` and 8 upper-case hex digits.
#[must_use]
pub fn node() -> String {
    format!("node-{:08X}", u32::from_be_bytes(bytes()))
}

/// A job: `job-` and 32 hex digits. It is an idempotency key made by clients that do not know of each other, and 32
/// bits would collide within seconds at full rate.
#[must_use]
pub fn job() -> String {
    format!("job-{:032x}", u128::from_be_bytes(bytes()))
}

/// A trace: 32 hex digits.
#[must_use]
pub fn trace() -> String {
    format!("{:032x}", u128::from_be_bytes(bytes()))
}

/// A secret: 32 hex digits (128 bits). Never to be logged.
#[must_use]
pub fn token() -> String {
    trace()
}

/// One process of a service; a restart makes another: 16 hex digits.
#[must_use]
pub fn epoch() -> String {
    format!("{:016x}", seed())
}

/// A seed for a [`SplitMix64`](halfopen_machine::SplitMix64).
#[must_use]
pub fn seed() -> u64 {
    u64::from_be_bytes(bytes())
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shapes_of_the_protocol() {
        for (id, prefix, digits) in [(session(), "s-", 8), (node(), "node-", 8), (job(), "job-", 32)] {
            let rest = id.strip_prefix(prefix).expect("the prefix");
            assert_eq!(rest.len(), digits, "{id}");
            assert!(rest.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
        }
        assert!(!session()[2..].contains(|c: char| c.is_ascii_lowercase()));
        assert_eq!((token().len(), epoch().len()), (32, 16));
    }

    #[test]
    fn no_two_jobs_share_an_id() {
        assert_ne!(job(), job());
    }
}
