//! A server that says OK to every command, as Redis does to those that are sent here.

use halfopen::{BoxError, HostContext};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

pub(super) async fn run(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:6379").await?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = cx.stopped() => return Ok(()),
        };
        tokio::spawn(async move {
            // A client that leaves is no error of the server's.
            let _ = serve(stream).await;
        });
    }
}

/// A command is `*N`, and N times the length of a word and the word, each on a line: none of these words has a line break.
async fn serve(stream: TcpStream) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let mut stream = BufStream::new(stream);
    loop {
        let Some(words) = line(&mut stream).await? else { return Ok(()) };
        let words: u32 = words.trim_start_matches('*').parse()?;
        for _ in 0..words * 2 {
            line(&mut stream).await?;
        }
        stream.write_all(b"+OK\r\n").await?;
        stream.flush().await?;
    }
}

async fn line(stream: &mut BufStream<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}
