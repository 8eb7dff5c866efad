//! Notes over TLS: rustls at both ends, each on its own `TcpStream`. A note is a line, and its answer is the same line.

use std::io;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The vault's certificate, which those who use it trust, and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    /// A new one, of the name `vault`.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn new() -> Result<Self, rcgen::Error> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["vault".to_owned()])?;
        Ok(Self { certificate: cert.der().clone(), key: signing_key.serialize_der() })
    }
}

/// Serves at port 443; `kept` is told each note that is kept.
///
/// # Errors
/// If the port is taken, or the identity is none.
pub async fn run(identity: Identity, kept: impl Fn(&str) + Clone + Send + 'static) -> io::Result<()> {
    let key = PrivatePkcs8KeyDer::from(identity.key).into();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![identity.certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.map_err(io::Error::other)?));
    let listener = TcpListener::bind("0.0.0.0:443").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, kept) = (acceptor.clone(), kept.clone());
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let mut stream = BufReader::new(acceptor.accept(stream).await?);
            let mut note = String::new();
            while stream.read_line(&mut note).await? > 0 {
                kept(note.trim_end());
                stream.write_all(note.as_bytes()).await?;
                stream.flush().await?;
                note.clear();
            }
            io::Result::Ok(())
        });
    }
}

/// Someone who leaves notes, on a connection that is made again when it fails.
pub struct Depositor {
    connector: TlsConnector,
    stream: Option<BufReader<TlsStream<TcpStream>>>,
}

impl Depositor {
    /// Who trusts this vault and no other.
    ///
    /// # Errors
    /// If the certificate is none.
    pub fn new(vault: &Identity) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(vault.certificate.clone())?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), stream: None })
    }

    /// Leaves a note and waits for its answer; leaves it again when that fails.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn leave(&mut self, note: &str) -> io::Result<()> {
        crate::again(async || {
            let answered = self.say(note, true).await;
            if answered.is_err() {
                self.stream = None;
            }
            answered
        })
        .await
    }

    /// Leaves a note and takes it for kept as soon as it is written.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn toss(&mut self, note: &str) -> io::Result<()> {
        self.say(note, false).await
    }

    async fn say(&mut self, note: &str, waits: bool) -> io::Result<()> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect("vault:443").await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from("vault").map_err(io::Error::other)?;
                none.insert(BufReader::new(self.connector.connect(name, stream).await?))
            }
        };
        stream.write_all(format!("{note}\n").as_bytes()).await?;
        stream.flush().await?;
        if waits && stream.read_line(&mut String::new()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
