//! Who may ask: programs on this machine, and no page in its browser.
//!
//! A page can send requests to loopback, and it can be given a name that leads there (DNS rebinding). What tells it apart:
//!
//! | # | the request | answer |
//! | --- | --- | --- |
//! | 1 | `Sec-Fetch-Site` is there, and neither `same-origin` nor `none` | 403 |
//! | 2 | `Origin` is there, and not `http://` and the request's own host | 403 |
//! | 3 | to `/_sim/…`, or with an `Origin`, and `Host` is neither loopback nor the address that is listened on | 403 |
//! | 4 | any other | as asked |
//!
//! AWS's clients send none of the first two; their `Host` may be any name that leads here, so 3 is not asked of them. Where every
//! address is listened on, any address will do as `Host`, but no name: an address cannot be rebound.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

/// Why a request is refused, if it is.
pub(super) fn refusal(uri: &Uri, headers: &HeaderMap, listened: SocketAddr) -> Option<String> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = uri.authority().map(Authority::as_str).or_else(|| text(header::HOST.as_str()));
    if let Some(site) = text("sec-fetch-site").filter(|site| !["same-origin", "none"].contains(site)) {
        return Some(format!("this request comes from another site's page (Sec-Fetch-Site: {site})"));
    }
    let origin = text(header::ORIGIN.as_str());
    if let Some(origin) = origin.filter(|origin| origin.strip_prefix("http://") != host) {
        return Some(format!("this request comes from another site's page (Origin: {origin})"));
    }
    let is_client = origin.is_none() && !uri.path().starts_with("/_sim");
    if is_client || host.is_some_and(|host| leads_here(host, listened)) {
        return None;
    }
    Some(format!(
        "`Host: {}` is neither loopback nor {listened}, where this is listened for: ask for it at that address",
        host.unwrap_or_default()
    ))
}

/// Whether a host with or without a port can only be this simulator.
fn leads_here(host: &str, listened: SocketAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address == listened.ip() || listened.ip().is_unspecified(),
        Err(_) => name.eq_ignore_ascii_case("localhost") && !host.contains('@'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, listened: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a value"));
        }
        refusal(&path.parse().expect("a path"), &map, listened.parse().expect("an address")).is_some()
    }

    #[test]
    fn a_host_is_loopback_or_what_is_listened_on() {
        let here = "127.0.0.1:4566";
        for host in ["127.0.0.1:4566", "localhost:4566", "LOCALHOST", "[::1]:4566", "127.9.9.9"] {
            assert!(!refused("/_sim/world", here, &[("host", host)]), "{host}");
        }
        for host in ["evil.example:4566", "localhost.evil.example", "10.0.0.1:4566", "user@localhost", "", "127.0.0.1.evil.example"]
        {
            assert!(refused("/_sim/world", here, &[("host", host)]), "{host}");
        }
        assert!(refused("/_sim/world", here, &[]), "no host at all");
        assert!(!refused("/_sim/world", "10.0.0.1:80", &[("host", "10.0.0.1")]));
        assert!(!refused("/_sim/world", "0.0.0.0:80", &[("host", "10.0.0.7:80")]));
        assert!(refused("/_sim/world", "0.0.0.0:80", &[("host", "evil.example:80")]));
        assert!(!refused("/", here, &[("host", "simulator:4566")]), "AWS's clients may use a name");
    }

    #[test]
    fn a_page_of_another_site_is_refused_everywhere() {
        let here = "127.0.0.1:4566";
        for path in ["/_sim/clock", "/"] {
            let with = |name, value| refused(path, here, &[("host", here), (name, value)]);
            for origin in
                ["http://evil.example", "https://127.0.0.1:4566", "null", "http://127.0.0.1:3000", "http://localhost:4566"]
            {
                assert!(with("origin", origin), "{path} {origin}");
            }
            assert!(!with("origin", "http://127.0.0.1:4566"));
            for site in ["cross-site", "same-site", "x"] {
                assert!(with("sec-fetch-site", site), "{path} {site}");
            }
            for site in ["same-origin", "none"] {
                assert!(!with("sec-fetch-site", site), "{path} {site}");
            }
        }
        // A name that was rebound: the page is of the same origin, to the browser.
        let rebound = [("host", "evil.example:4566"), ("origin", "http://evil.example:4566"), ("sec-fetch-site", "same-origin")];
        assert!(refused("/_sim/clock", here, &rebound));
        assert!(refused("/", here, &rebound), "no client of AWS's has an origin");
    }
}
