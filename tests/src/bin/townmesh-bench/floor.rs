//! The physical floor: the same bytes over a plain TCP connection and over raw QUIC, to a file, with one fsync.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

const PIECE: usize = 64 * 1024;

/// Seconds to move `bytes` over loopback TCP into a file that is then synced.
pub(crate) fn tcp(bytes: usize, dir: &Path) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let began = Instant::now();
    let sender = std::thread::spawn(move || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        let piece = vec![0x5a; PIECE];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(PIECE);
            stream.write_all(&piece[..now])?;
            left -= now;
        }
        Ok(())
    });
    let (mut stream, _) = listener.accept()?;
    let path = dir.join("floor");
    let mut file = std::fs::File::create(&path)?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            break;
        }
        file.write_all(&piece[..read])?;
    }
    file.sync_all()?;
    let took = began.elapsed().as_secs_f64();
    sender.join().map_err(|_| anyhow::anyhow!("the sender failed"))??;
    std::fs::remove_file(path)?;
    Ok(took)
}

/// Seconds to move `bytes` over one raw QUIC stream on loopback, after the handshake, without a disk.
pub(crate) async fn quic(bytes: usize) -> anyhow::Result<f64> {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let certificate = certified.cert.der().clone();
    let key = quinn::rustls::pki_types::PrivatePkcs8KeyDer::from(certified.key_pair.serialize_der());
    let server = quinn::ServerConfig::with_single_cert(vec![certificate.clone()], key.into())?;
    let mut roots = quinn::rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let receiver = quinn::Endpoint::server(server, "127.0.0.1:0".parse()?)?;
    let address = receiver.local_addr()?;
    let mut sender = quinn::Endpoint::client("127.0.0.1:0".parse()?)?;
    sender.set_default_client_config(quinn::ClientConfig::with_root_certificates(Arc::new(roots))?);
    let accepted = tokio::spawn(async move {
        let connection = receiver.accept().await.context("no connection")?.await?;
        let mut stream = connection.accept_uni().await?;
        let mut piece = vec![0; PIECE];
        let mut total = 0;
        while let Some(read) = stream.read(&mut piece).await? {
            total += read;
        }
        anyhow::Ok((total, Instant::now(), connection, receiver))
    });
    let connection = sender.connect(address, "localhost")?.await?;
    let began = Instant::now();
    let mut stream = connection.open_uni().await?;
    let piece = vec![0x5a; PIECE];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(PIECE);
        stream.write_all(&piece[..now]).await?;
        left -= now;
    }
    stream.finish()?;
    let (total, ended, ..) = accepted.await??;
    anyhow::ensure!(total == bytes, "{total} of {bytes} bytes arrived");
    Ok(ended.duration_since(began).as_secs_f64())
}
