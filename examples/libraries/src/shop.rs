//! Orders over reqwest: a shop that takes an order by its name once, however often it is sent, and a customer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use tokio::net::TcpListener;

/// Who is told of an order when it is taken.
type Till = Arc<dyn Fn(&str) + Send + Sync>;

/// Serves at port 80; `taken` is told the name of each order, once.
///
/// # Errors
/// If the port is taken.
pub async fn run(taken: impl Fn(&str) + Send + Sync + 'static) -> std::io::Result<()> {
    let known = Arc::new(Mutex::new(BTreeSet::new()));
    let till: Till = Arc::new(taken);
    let router = Router::new().route("/orders", post(order)).with_state((known, till));
    axum::serve(TcpListener::bind("0.0.0.0:80").await?, router).await
}

async fn order(State((known, till)): State<(Arc<Mutex<BTreeSet<String>>>, Till)>, name: String) {
    if known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
        till(&name);
    }
}

/// A customer of the shop at `http://shop/`.
#[derive(Clone, Debug)]
pub struct Customer(reqwest::Client);

impl Customer {
    /// With a bound for each request, or with reqwest's default, which is none.
    ///
    /// # Errors
    /// If reqwest cannot be set up.
    pub fn new(bound: Option<Duration>) -> reqwest::Result<Self> {
        let builder = reqwest::Client::builder();
        let builder = match bound {
            Some(bound) => builder.timeout(bound),
            None => builder,
        };
        builder.build().map(Self)
    }

    /// Sends an order, and sends it again when that fails: the shop takes it once.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn order(&self, name: &str) -> reqwest::Result<()> {
        crate::again(async || {
            self.0.post("http://shop/orders").body(name.to_owned()).send().await?.error_for_status().map(drop)
        })
        .await
    }
}
