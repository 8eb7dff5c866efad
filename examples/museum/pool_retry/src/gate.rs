//! A proxy beside the server that says yes to every `CONNECT` and then finds out, as sidecars and port-forwards do. A tunnel that leads
//! nowhere it resets.

use halfopen::{BoxError, HostContext};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::tunnel::read_head;

/// Serves until it is told to stop.
pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:3128").await?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = cx.stopped() => return Ok(()),
        };
        tokio::spawn(async move {
            // A tunnel that leads nowhere is reset; no other end can be told.
            let _ = carry(stream).await;
        });
    }
}

async fn carry(mut client: TcpStream) -> std::io::Result<()> {
    read_head(&mut client).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let mut server = match TcpStream::connect("shop:80").await {
        Ok(server) => server,
        Err(error) => {
            // A FIN would be the end of an answer; this is none.
            client.set_zero_linger()?;
            return Err(error);
        }
    };
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
