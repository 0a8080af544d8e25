//! What the kernel knows of a buyer's connection.
use std::time::Duration;

use nix::libc;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::GetStruct;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::stage::bench::ms;

#[derive(Clone, Copy)]
struct TcpInfo;

nix::getsockopt_impl!(
    TcpInfo,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    libc::tcp_info,
    GetStruct<libc::tcp_info>
);

/// How long ago the last bytes came.
pub(super) fn since_last_bytes(line: &TcpStream) -> Duration {
    let info = getsockopt(line, TcpInfo).unwrap();
    Duration::from_millis(info.tcpi_last_data_recv.into())
}

#[tokio::test]
async fn what_lies_unread_grows_old() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let line = TcpStream::connect(address).await.unwrap();
    let (mut other, _) = listener.accept().await.unwrap();
    other.write_all(b"an answer").await.unwrap();
    line.readable().await.unwrap();
    tokio::time::sleep(ms(60)).await;
    assert!(since_last_bytes(&line) >= ms(50));
}
