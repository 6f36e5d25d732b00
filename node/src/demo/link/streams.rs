//! The TCP side of a link.
//!
//! A cut TCP link is one on which nothing is read or written: both ends see a peer that went silent, and neither
//! hears of the other's closing. A stream that is still open when the link is whole again goes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Shared;
use super::lane::Lane;

/// Most bytes of a stream that are read at once.
const PIECE: usize = 16 << 10;
/// Pieces of one stream on their way, at most: 2 MiB.
const PIECES: usize = 128;
/// How long a connection may take to come about.
const OPENING: Duration = Duration::from_secs(10);

/// Relays connections until aborted.
pub(super) async fn relay(listener: TcpListener, target: SocketAddr, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: later is better than a busy loop.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(room) = Arc::clone(&shared.room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            connection(near, target, &shared).await;
            drop(room);
        });
    }
}

/// One connection from its beginning to its end.
async fn connection(near: TcpStream, target: SocketAddr, shared: &Arc<Shared>) {
    // The opening packets need both directions; until then the dialling side waits, and gives up at some time.
    let whole = async {
        shared.forward.open().await;
        shared.backward.open().await;
    };
    if timeout(OPENING, whole).await.is_err() {
        return;
    }
    let Ok(Ok(far)) = timeout(OPENING, TcpStream::connect(target)).await else { return };
    // Pieces are small on purpose on a slow link; Nagle's algorithm would hold them back.
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let mut directions = JoinSet::new();
    let forward = Arc::clone(shared);
    directions.spawn(async move { stream(near_read, far_write, &forward.forward).await });
    let backward = Arc::clone(shared);
    directions.spawn(async move { stream(far_read, near_write, &backward.backward).await });
    while directions.join_next().await.is_some() {}
}

/// One direction of one connection: reads until the end of the stream and passes the end on.
async fn stream(from: OwnedReadHalf, to: OwnedWriteHalf, lane: &Lane) {
    let (queue, arriving) = mpsc::channel(PIECES);
    // Both end when either does: a reader without a writer fails to send, a writer without a reader runs dry.
    tokio::join!(read(from, queue, lane), write(to, arriving, lane));
}

async fn read(mut from: OwnedReadHalf, queue: mpsc::Sender<(Instant, Vec<u8>)>, lane: &Lane) {
    let mut buffer = vec![0; PIECE];
    loop {
        lane.open().await;
        let most = lane.piece_limit(PIECE);
        let Some(room) = buffer.get_mut(..most) else { return };
        let length = tokio::select! {
            () = queue.closed() => return,
            read = from.read(room) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            },
        };
        let passage = lane.piece(length);
        let piece = buffer.get(..length).unwrap_or_default().to_vec();
        if queue.send((passage.arrives, piece)).await.is_err() {
            return;
        }
        if passage.left > Instant::now() {
            sleep_until(passage.left).await;
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut arriving: mpsc::Receiver<(Instant, Vec<u8>)>, lane: &Lane) {
    while let Some((arrives, piece)) = arriving.recv().await {
        if arrives > Instant::now() {
            sleep_until(arrives).await;
        }
        lane.open().await;
        if to.write_all(&piece).await.is_err() {
            return;
        }
        lane.tally.stream_bytes.add(piece.len() as u64);
    }
    // A cut link does not tell that the stream ended either.
    lane.open().await;
    let _ = to.shutdown().await;
}
