//! Waits until an HTTP health endpoint answers 2xx, or until its budget of attempts is spent.
//!
//! One law: whatever an attempt meets (refused, reset, silent, not ready, nonsense), it is tried again until the budget is
//! spent, and the verdict tells the last reason. A prober that is right about the service and rude to its sockets fills
//! the service's log with resets, so each attempt reads the whole body and closes in order, and nothing that is expected
//! of a service which is starting is logged above debug.
//!
//! Start at [`wait_until_ready`]. The map:
//!
//! | module | what it is |
//! |---|---|
//! | `core/prober` | [`Prober`]: when to ask, and when it is decided |
//! | `core/config` | the numbers: attempts, interval, timeout, and the worst case that they add up to |
//! | `core/verdict` | what comes of an attempt, and of all of them |
//! | `shell/probe` | drives the prober |
//! | `shell/attempt` | one attempt over a socket of its own, and its orderly close |
//! | `shell/target` | which endpoint is asked |
//!
//! The core has no socket, no clock and no task, and builds without the feature `shell`, which is on by default.
//!
//! ```
//! # #[cfg(feature = "shell")] {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use std::time::Duration;
//! use halfopen_health::{Miss, ProbeConfig, Target, Verdict, wait_until_ready};
//!
//! let vacant = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
//! let target = Target::parse(&format!("http://{vacant}/health"))?;
//! let config = ProbeConfig { attempts: 2, interval: Duration::from_millis(1), ..ProbeConfig::default() };
//! let verdict = wait_until_ready(&target, &config).await;
//! assert_eq!(verdict, Verdict::NotReady { attempts: 2, last: Miss::Refused });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(clippy::disallowed_methods)]

mod core;
#[cfg(feature = "shell")]
#[expect(clippy::disallowed_methods, reason = "a shell has the clock and the tasks")]
mod shell;

pub use self::core::config::{BadProbe, ProbeConfig};
pub use self::core::prober::{self, Prober};
pub use self::core::verdict::{Miss, Verdict};
#[cfg(feature = "shell")]
pub use self::shell::probe::wait_until_ready;
#[cfg(feature = "shell")]
pub use self::shell::target::{BadTarget, Target};
