//! The measure: a hyper server that forwards a request and streams the frames of the answer's body unchanged.

use std::future::Future;
use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, client::conn::http1 as client};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Listens; the future serves for ever.
pub(crate) async fn bind(backend: SocketAddr) -> (SocketAddr, impl Future<Output = ()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("the socket lives");
            let service = service_fn(move |request| forward(request, backend));
            tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    };
    (address, serving)
}

/// A connection for each request, as the gateway does.
async fn forward(mut request: Request<Incoming>, backend: SocketAddr) -> Result<Response<Incoming>, hyper::Error> {
    let stream = TcpStream::connect(backend).await.expect("the backend listens");
    stream.set_nodelay(true).expect("the socket lives");
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let host = HeaderValue::from_str(&backend.to_string()).expect("an address is a header value");
    request.headers_mut().insert(HOST, host);
    sender.send_request(request).await
}
