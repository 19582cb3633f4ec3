//! Where a request comes from, also when it comes through proxies of ours.
//! Believes a proxy only what it has seen itself: the last address that is not one of ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use ipnet::IpNet;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of whoever sent it: the peer, or what trusted proxies say of it.
pub fn of(request: &HttpRequest, proxies: &[IpNet]) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let is_ours = |address: IpAddr| proxies.iter().any(|network| network.contains(&address));
    if !is_ours(peer) {
        return peer;
    }
    let values: Vec<_> = request.headers().get_all(&FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect();
    let mut nearest = peer;
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        // What stands before something unreadable is anybody's invention.
        let Some(address) = parse(hop.trim()) else { return nearest };
        nearest = address;
        if !is_ours(address) {
            break;
        }
    }
    nearest
}

/// Some proxies add the port.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.parse::<IpAddr>().ok();
    let address = bare.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok()).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn address(peer: &str, forwarded: &[&str]) -> String {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).into();
        let request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        let request =
            forwarded.iter().fold(request, |request, value| request.append_header(("x-forwarded-for", *value)));
        of(&request.to_http_request(), &proxies).to_string()
    }

    #[test]
    fn who_comes_directly_is_who_it_is_whatever_it_says() {
        assert_eq!(address("192.0.2.1", &[]), "192.0.2.1");
        assert_eq!(address("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(address("::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn through_our_proxies_it_is_the_last_address_that_is_not_one_of_them() {
        assert_eq!(address("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["1.1.1.1, 198.51.100.7 ,10.2.3.4"]), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["1.1.1.1", "198.51.100.7:443", "10.2.3.4"]), "198.51.100.7");
        assert_eq!(address("fd00::1", &["1.1.1.1, [2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(address("::ffff:10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn what_our_proxies_do_not_vouch_for_is_not_believed() {
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &["198.51.100.7, unknown, 10.2.3.4"]), "10.2.3.4");
        assert_eq!(address("10.0.0.1", &["10.9.9.9, 10.2.3.4"]), "10.9.9.9");
        assert_eq!(address("10.0.0.1", &["198.51.100.7,"]), "10.0.0.1");
    }
}
