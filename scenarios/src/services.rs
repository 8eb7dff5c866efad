//! The real services, each called as its binary calls it.

use halfopen::{BoxError, HostContext};
use halfopen_gateway::{Gateway, Registry};

use crate::faulty_backend::FaultyBackend;

/// The scheduler.
///
/// # Errors
/// If its configuration is wrong or its port is taken.
pub async fn scheduler(cx: HostContext) -> Result<(), BoxError> {
    halfopen_scheduler::run(cx.config()?, cx.shutdown()).await?;
    Ok(())
}

/// A node.
///
/// # Errors
/// If its configuration is wrong.
pub async fn node(cx: HostContext) -> Result<(), BoxError> {
    halfopen_scheduler::node::run(cx.config()?, cx.shutdown()).await?;
    Ok(())
}

/// The gateway.
///
/// # Errors
/// If its configuration is wrong or its port is taken.
pub async fn gateway(cx: HostContext) -> Result<(), BoxError> {
    halfopen_gateway::run(cx.config()?, cx.shutdown()).await?;
    Ok(())
}

/// The gateway with one more backend, in its own process, that panics ([`faulty_backend`](crate::faulty_backend)).
///
/// # Errors
/// If its configuration is wrong or its port is taken.
pub async fn gateway_with_a_faulty_backend(cx: HostContext) -> Result<(), BoxError> {
    let config: halfopen_gateway::Config = cx.config()?;
    let registry = Registry::from_config(&config)?.with("faulty", &["faulty".to_owned()], FaultyBackend);
    Gateway::bind(config, registry).await?.serve(cx.shutdown()).await;
    Ok(())
}
