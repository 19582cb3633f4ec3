//! The proxy that the outages go through does what it says, seen from both of its ends.
//! Tests of a test's tool: an outage that does not happen would prove anything.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::{Proxy, Way, Weather};

/// For what must not come.
const MOMENT: Duration = Duration::from_millis(300);

/// For what must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// A proxy, and both ends of one connection through it.
struct Line {
    proxy: Proxy,
    server: TcpListener,
    near: TcpStream,
    far: TcpStream,
}

impl Line {
    fn open() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::before(server.local_addr().unwrap());
        let near = TcpStream::connect(proxy.address()).unwrap();
        let (far, _) = server.accept().unwrap();
        for stream in [&near, &far] {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
        }
        Self { proxy, server, near, far }
    }
}

fn says(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).unwrap();
    assert_eq!(hears(to, text.len()), text);
}

fn hears(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn hears_nothing(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
}

/// What still comes before the reset.
fn hears_until_the_reset(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    loop {
        match stream.read(&mut byte) {
            Ok(0) => panic!("closed politely after {bytes:?}"),
            Ok(_) => bytes.push(byte[0]),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
                return bytes;
            }
        }
    }
}

#[test]
fn in_fair_weather_everything_passes_and_is_counted() {
    let mut line = Line::open();

    says(&mut line.near, &mut line.far, b"hello");
    says(&mut line.far, &mut line.near, b"good day");

    assert_eq!((line.proxy.passed(Way::Up), line.proxy.passed(Way::Down)), (5, 8));
    assert_eq!(line.proxy.accepted(), 1);
    drop(line.far);
    assert_eq!(line.near.read(&mut [0]).unwrap(), 0, "a polite end stays polite");
}

#[test]
fn a_cut_resets_both_ends_and_new_connections_are_welcome() {
    let mut line = Line::open();

    line.proxy.cut();

    assert_eq!(hears_until_the_reset(&mut line.near), b"");
    assert_eq!(hears_until_the_reset(&mut line.far), b"");
    let mut again = TcpStream::connect(line.proxy.address()).unwrap();
    says(&mut again, &mut line.server.accept().unwrap().0, b"again");
}

#[test]
fn a_cut_falls_right_behind_its_byte() {
    let mut line = Line::open();
    line.proxy.cut_after(Way::Up, 3);
    says(&mut line.far, &mut line.near, b"the other direction does not count");
    assert!(line.proxy.is_cut_pending());

    line.near.write_all(b"12345").unwrap();

    assert_eq!(hears(&mut line.far, 3), b"123");
    assert_eq!(hears_until_the_reset(&mut line.far), b"");
    assert!(!line.proxy.is_cut_pending());
}

#[test]
fn refused_connections_reach_nobody_until_the_weather_changes() {
    let mut line = Line::open();

    line.proxy.set(Weather::Refusing);

    assert_eq!(hears_until_the_reset(&mut line.near), b"");
    let mut refused = TcpStream::connect(line.proxy.address()).unwrap();
    assert_eq!(hears_until_the_reset(&mut refused), b"");
    assert_eq!(line.proxy.accepted(), 1);
    line.proxy.set(Weather::Fair);
    let mut again = TcpStream::connect(line.proxy.address()).unwrap();
    says(&mut again, &mut line.server.accept().unwrap().0, b"again");
}

#[test]
fn a_still_network_delivers_late_and_completely() {
    let mut line = Line::open();
    line.proxy.set(Weather::Still);

    line.near.write_all(b"up").unwrap();
    line.far.write_all(b"down").unwrap();
    hears_nothing(&mut line.far);
    hears_nothing(&mut line.near);
    line.proxy.set(Weather::Fair);

    assert_eq!(hears(&mut line.far, 2), b"up");
    assert_eq!(hears(&mut line.near, 4), b"down");
}

#[test]
fn a_network_that_swallows_one_direction_loses_it_and_ends_the_connection_afterwards() {
    let mut line = Line::open();
    line.proxy.set(Weather::Swallowing(Way::Down));

    line.far.write_all(b"lost").unwrap();
    hears_nothing(&mut line.near);
    says(&mut line.near, &mut line.far, b"the other direction passes");
    line.proxy.set(Weather::Fair);

    assert_eq!(hears_until_the_reset(&mut line.near), b"");
    assert_eq!(hears_until_the_reset(&mut line.far), b"");
}

#[test]
fn a_slow_network_is_whole_and_late() {
    let mut line = Line::open();
    line.proxy.set(Weather::Slow(2 * MOMENT));

    line.near.write_all(b"late").unwrap();

    hears_nothing(&mut line.far);
    assert_eq!(hears(&mut line.far, 4), b"late");
}

#[test]
fn a_server_that_is_not_there_is_a_reset() {
    let Line { proxy, server, .. } = Line::open();
    drop(server);

    let mut refused = TcpStream::connect(proxy.address()).unwrap();
    refused.set_read_timeout(Some(DEADLINE)).unwrap();

    assert_eq!(hears_until_the_reset(&mut refused), b"");
}
