//! The way around: a task reads and does nothing else, so that no read is given up; the select is over its channel.

use std::time::Duration;

use fastwebsockets_0_10_0::{FragmentCollectorRead, Frame, OpCode, WebSocketError, handshake};
use halfopen::{BoxError, HostContext};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::interval;

use super::cancelled::{request, take};

pub(super) async fn read(cx: HostContext) -> Result<(), BoxError> {
    let stream = TcpStream::connect("quotes:9001").await?;
    stream.set_nodelay(true)?;
    let request = request("quotes:9001", &handshake::generate_key())?;
    let (socket, _) = handshake::client(&TokioExecutor::new(), request, stream).await?;
    let (reader, mut writer) = socket.split(tokio::io::split);
    let (frames, mut quotes) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut reader = FragmentCollectorRead::new(reader);
        // The server sends no Pings, and its Close ends the reading: nothing is owed to it.
        let mut owed = async |_: Frame<'_>| Ok::<_, WebSocketError>(());
        while let Ok(frame) = reader.read_frame(&mut owed).await {
            if frame.opcode == OpCode::Close || frames.send(frame.payload.to_vec()).await.is_err() {
                return;
            }
        }
    });
    let mut heartbeats = interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            quote = quotes.recv() => match quote {
                Some(quote) => take(&cx, &quote),
                None => return Ok(()),
            },
            _ = heartbeats.tick() => writer.write_frame(Frame::text(b"heartbeat".as_slice().into())).await?,
        }
    }
}
