//! Who is woken, and when: by real sockets, in tasks of their own.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(10);

async fn tcp_pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (ours, theirs) = tokio::join!(listener.accept(), connecting);
    (Stream::Tcp(ours.unwrap().0), theirs.unwrap())
}

async fn fill(buffer: &mut ReadBuffer, stream: &mut Stream) -> usize {
    let began = Instant::now();
    let filled = timeout(SOON, poll_fn(|cx| buffer.poll_fill(stream, cx))).await;
    // Where the time is up, what waits is asked once more.
    assert!(began.elapsed() < SOON, "nobody has woken it");
    filled.expect("a wake-up").expect("a read")
}

/// Asks once.
async fn is_silent(buffer: &mut ReadBuffer, stream: &mut Stream) -> bool {
    poll_fn(|cx| Poll::Ready(buffer.poll_fill(stream, cx).is_pending())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_asked_in_vain_several_times_is_woken_each_time() {
    let (mut stream, mut peer) = tcp_pair().await;
    let mut buffer = ReadBuffer::default();
    for round in 1..100 {
        for _ in 0..round % 4 {
            assert!(is_silent(&mut buffer, &mut stream).await);
        }
        let reading = fill(&mut buffer, &mut stream);
        let (count, wrote) = tokio::join!(reading, peer.write_all(b"query"));
        wrote.unwrap();
        assert_eq!((count, buffer.bytes()), (5, &b"query"[..]));
        buffer.consume(5);
    }
    drop(peer);
    assert_eq!(fill(&mut buffer, &mut stream).await, 0, "the end");
    assert_eq!(fill(&mut buffer, &mut stream).await, 0, "and again");
}

/// As a server connection does that goes from client to client, whether the last one waited for it or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_that_asked_last_is_woken_and_not_one_that_has_asked_before() {
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut held = (ReadBuffer::default().keeping(), Stream::Unix(ours));
    for round in 0..100 {
        let (mut buffer, mut stream) = held;
        let before = async move {
            for _ in 0..round % 3 {
                assert!(is_silent(&mut buffer, &mut stream).await);
            }
            (buffer, stream)
        };
        let (mut buffer, mut stream) = tokio::spawn(before).await.unwrap();
        let (says, asked) = tokio::sync::oneshot::channel();
        let next = tokio::spawn(async move {
            assert!(is_silent(&mut buffer, &mut stream).await);
            says.send(()).unwrap();
            let count = fill(&mut buffer, &mut stream).await;
            buffer.consume(count);
            (count, buffer, stream)
        });
        asked.await.unwrap();
        peer.write_all(b"answer").await.unwrap();
        let (count, buffer, stream) = next.await.unwrap();
        assert_eq!(count, 6);
        held = (buffer, stream);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_written_as_the_peer_takes_it() {
    // A Unix socket's buffers do not grow by themselves.
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut stream = Stream::Unix(ours);
    let mut buffer = WriteBuffer::default();
    let all: Vec<u8> = (0..8_000_000_u32).map(|at| (at % 251) as u8).collect();
    buffer.bytes.extend_from_slice(&all);
    let first = poll_fn(|cx| Poll::Ready(buffer.poll_flush(&mut stream, cx))).await;
    assert!(first.is_pending(), "more than a socket takes at once");
    let reading = async {
        let mut read = vec![0; all.len()];
        peer.read_exact(&mut read).await.map(|_| read)
    };
    let (wrote, read) = timeout(SOON, async { tokio::join!(buffer.flush(&mut stream), reading) })
        .await
        .expect("a wake-up for each part");
    wrote.unwrap();
    assert!(read.unwrap() == all && buffer.pending() == 0);
}
