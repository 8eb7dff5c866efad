//! The HTTP client.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::HttpClient;
use super::super::keys::filled;
use super::{CONNECTING, hear, key};
use crate::catalogue::{BoxError, HostContext};
use crate::fact::FactKind;

pub(super) async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: HttpClient = cx.config()?;
    let mut due = Instant::now();
    for n in 1..=script.requests {
        due += script.every;
        sleep_until(due).await;
        one(&cx, &script, &key(&cx, n)).await;
    }
    Ok(())
}

/// One request, and what came of it.
async fn one(cx: &HostContext, script: &HttpClient, key: &str) {
    let offers = script.offers();
    if offers {
        cx.offered(key);
    }
    let asked = async {
        let mut exchange =
            ask(&filled(&script.url, key), script.post.as_ref().map(|body| filled(body, key)), None).await?;
        let status = exchange.response.status();
        let body = exchange.response.body_mut().collect().await?.to_bytes();
        Ok::<_, BoxError>((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let answered = match timeout(script.patience, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(format!("no answer within {} s", script.patience.as_secs_f64()).into()),
    };
    match answered {
        Ok((status, body)) => {
            if offers && status.is_success() {
                cx.fact(FactKind::Accepted, key, status.as_u16());
            } else if offers {
                cx.fact(FactKind::Refused, key, status.as_u16());
            }
            if script.hears {
                hear(cx, &body, true);
            }
        }
        Err(error) => {
            if offers {
                cx.fact(FactKind::ClaimedFailed, key, error);
            }
        }
    }
}

/// A request whose answer is being read, on a connection of its own that ends with this.
pub(super) struct Exchange {
    pub(super) response: Response<Incoming>,
    /// Kept, because the connection is over when its sender is dropped.
    _sender: SendRequest<Full<Bytes>>,
    _connection: JoinSet<()>,
}

/// Asks for an address; by a POST, if there is a body. `last` is the `Last-Event-ID` of a reader that comes back.
pub(super) async fn ask(url: &str, post: Option<String>, last: Option<&str>) -> Result<Exchange, BoxError> {
    let uri: Uri = url.parse()?;
    let host = uri.authority().ok_or("the address names no host")?.clone();
    let at = (host.host(), host.port_u16().unwrap_or(80));
    let socket = timeout(CONNECTING, TcpStream::connect(at)).await??;
    socket.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // What went wrong the request is told.
        let _ = connection.await;
    });
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::builder().uri(target).header("host", host.as_str());
    if post.is_some() {
        request = request.method("POST").header("content-type", "application/json");
    }
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let body = Full::new(Bytes::from(post.unwrap_or_default()));
    let response = sender.send_request(request.body(body)?).await?;
    Ok(Exchange { response, _sender: sender, _connection: tasks })
}
