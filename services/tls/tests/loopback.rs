//! Streams over loopback, with certificates that are made for the test.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use halfopen_tls::{Acceptor, Dialer, Identity, Scheme, Stream, TlsError, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Far more than a handshake takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with an authority and a server's certificate from it.
struct Files {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("the test's own directory");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let files = Self { folder, authority };
        std::fs::write(files.folder.join("ca.pem"), files.authority.pem()).expect("a file");
        files.issue("localhost");
        files
    }

    /// A new certificate of the server, for this host.
    fn issue(&self, host: &str) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        std::fs::write(self.folder.join("server.pem"), certificate.pem()).expect("a file");
        std::fs::write(self.folder.join("server.key"), key.serialize_pem()).expect("a file");
    }

    fn identity(&self) -> Identity {
        Identity { certificate: self.folder.join("server.pem"), key: self.folder.join("server.key") }
    }

    fn trust(&self) -> Trust {
        Trust { ca_file: Some(self.folder.join("ca.pem")) }
    }

    fn acceptor(&self) -> Acceptor {
        Acceptor::new(Some(&self.identity())).expect("good files")
    }

    fn dialer(&self) -> Dialer {
        Dialer::new(Scheme::Tls, &self.trust()).expect("good files")
    }
}

/// What a client and a server make of one connection.
async fn meet(acceptor: &Acceptor, dialer: &Dialer, host: &str) -> (std::io::Result<Stream>, std::io::Result<Stream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let serving = async {
        let (stream, _) = listener.accept().await?;
        acceptor.accept(stream, PATIENCE).await
    };
    tokio::join!(dialer.open(Scheme::Tls, host, port), serving)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_an_end_is_an_end() {
    let files = Files::new("bytes");
    let (client, server) = meet(&files.acceptor(), &files.dialer(), "localhost").await;
    let (mut client, mut server) = (client.expect("trusted"), server.expect("served"));
    assert!(matches!(client, Stream::Tls(_)) && files.acceptor().is_tls());
    client.write_all(b"question").await.expect("open");
    client.flush().await.expect("open");
    let mut question = [0; 8];
    server.read_exact(&mut question).await.expect("open");
    server.write_all(&question).await.expect("open");
    server.shutdown().await.expect("open");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("an end that is one");
    assert_eq!(answer, "question");
}

#[tokio::test]
async fn a_connection_that_is_cut_does_not_end_well() {
    let files = Files::new("cut");
    let (client, server) = meet(&files.acceptor(), &files.dialer(), "localhost").await;
    let mut client = client.expect("trusted");
    let Stream::Tls(mut server) = server.expect("served") else { panic!("it is TLS") };
    // The FIN comes, and no close_notify before it.
    server.get_mut().0.shutdown().await.expect("open");
    let error = client.read_to_string(&mut String::new()).await.expect_err("the end is none");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_server_is_believed_for_its_own_host_and_by_its_own_authority_only() {
    let files = Files::new("believed");
    let (client, _) = meet(&files.acceptor(), &files.dialer(), "127.0.0.1").await;
    let error = client.expect_err("the certificate is for another host");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(halfopen_tls::dial::failure(&error).contains("certificate not valid for name"), "{error}");

    let stranger = Files::new("stranger");
    let (client, server) = meet(&files.acceptor(), &stranger.dialer(), "localhost").await;
    let error = client.expect_err("nothing vouches for it");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    server.expect_err("the client has said so");
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_apart() {
    let files = Files::new("plain");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    let serving = async {
        let (stream, _) = listener.accept().await?;
        files.acceptor().accept(stream, PATIENCE).await
    };
    let (_, served) = tokio::join!(asking, serving);
    assert_eq!(served.expect_err("no handshake").kind(), ErrorKind::InvalidData);
    let error = Dialer::plain().open(Scheme::Tls, "127.0.0.1", address.port()).await.expect_err("made without");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_client_that_says_nothing_has_its_time_and_no_more() {
    let files = Files::new("silent");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let _silent = TcpStream::connect(address).await.expect("it listens");
    let (stream, _) = listener.accept().await.expect("a connection");
    let error = files.acceptor().accept(stream, Duration::from_millis(10)).await.expect_err("no handshake");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_new_certificate_counts_once_it_is_read_and_a_broken_one_never() {
    let files = Files::new("reload");
    let acceptor = files.acceptor();
    let sees = async |host: &str| meet(&acceptor, &files.dialer(), host).await.0.is_ok();
    files.issue("127.0.0.1");
    assert!(sees("localhost").await && !sees("127.0.0.1").await, "nothing was read yet");
    acceptor.reload().expect("good files");
    assert!(sees("127.0.0.1").await && !sees("localhost").await);
    std::fs::write(files.folder.join("server.pem"), "no certificate").expect("a file");
    assert!(acceptor.reload().is_err());
    assert!(sees("127.0.0.1").await, "the old one is still served");
}

#[test]
fn files_that_prove_nothing_are_told_with_their_names() {
    let files = Files::new("files");
    let told = |identity: &Identity| {
        let error = Acceptor::new(Some(identity)).expect_err("unfit");
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}").replace(&files.folder.display().to_string(), "FOLDER")
    };
    let good = files.identity();
    let absent = Identity { certificate: files.folder.join("absent.pem"), ..good.clone() };
    let swapped = Identity { certificate: good.key.clone(), ..good.clone() };
    let no_key = Identity { key: good.certificate.clone(), ..good.clone() };
    let other = Files::new("files-of-another");
    let strange = Identity { key: other.identity().key, ..good };
    assert_eq!(
        [told(&absent), told(&swapped), told(&no_key)],
        [
            "read the certificates in FOLDER/absent.pem: No such file or directory (os error 2)",
            "read the certificates in FOLDER/server.key: there is no certificate in PEM form in it",
            "read the private key in FOLDER/server.pem: there is no private key in PEM form in it",
        ]
    );
    let setting = |identity| Acceptor::new(Some(identity)).expect_err("unfit").setting();
    assert_eq!(
        [&absent, &swapped, &no_key, &strange].map(setting),
        ["certificate", "certificate", "key", "certificate"]
    );
    assert!(told(&strange).starts_with("use the certificate in FOLDER/server.pem: "), "{}", told(&strange));
    let nowhere = Trust { ca_file: Some(files.folder.join("absent.pem")) };
    let error = Dialer::new(Scheme::Tls, &nowhere).expect_err("unfit");
    assert!(matches!(error, TlsError::Certificates { .. }), "{error}");
}
