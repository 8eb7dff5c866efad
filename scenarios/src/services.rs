//! The real services, each called as its binary calls it.

use halfopen::{BoxError, HostContext};

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
