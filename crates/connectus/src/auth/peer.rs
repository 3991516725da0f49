//! The address a request comes from, for throttling and the audit log.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use super::settings::AuthSettings;
use crate::{app::App, http::Problem};

/// The caller's address; the unspecified address when the server was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// The address of the connection, or what the trusted proxies in front of us say.
    pub fn of(settings: &AuthSettings, connection: IpAddr, headers: &HeaderMap) -> Self {
        let mut address = connection.to_canonical();
        let trusted = |address: &IpAddr| {
            settings.trusted_proxies.iter().any(|network| network.contains(address))
        };
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .collect();
        // From the nearest hop outwards: what stands left of an untrusted address is hearsay.
        for hop in forwarded.into_iter().rev() {
            if !trusted(&address) {
                break;
            }
            let Ok(before) = hop.trim().parse::<IpAddr>() else { break };
            address = before.to_canonical();
        }
        Self(address)
    }

    /// What is throttled together: the address, or its /64 network, which one host owns.
    pub fn network(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}

impl FromRequestParts<App> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let connection = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
        Ok(Self::of(app.auth.settings(), connection, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(trusted: &[&str], connection: &str, forwarded: &[&str]) -> String {
        let settings = AuthSettings {
            trusted_proxies: trusted.iter().map(|text| text.parse().unwrap()).collect(),
            ..AuthSettings::default()
        };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        Peer::of(&settings, connection.parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn believes_only_configured_proxies() {
        assert_eq!(peer(&[], "10.0.0.1", &["1.2.3.4"]), "10.0.0.1");
        assert_eq!(peer(&["10.0.0.0/8"], "10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(peer(&["10.0.0.0/8"], "9.9.9.9", &["1.2.3.4"]), "9.9.9.9");
        // A caller may forge what stands to the left of its own address.
        assert_eq!(peer(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
        assert_eq!(peer(&["10.0.0.0/8"], "10.0.0.1", &["1.2.3.4, 10.0.0.2"]), "1.2.3.4");
        assert_eq!(peer(&["10.0.0.0/8"], "10.0.0.1", &["1.2.3.4", "10.0.0.2"]), "1.2.3.4");
        assert_eq!(peer(&["10.0.0.0/8"], "10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(peer(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
    }

    #[test]
    fn throttles_an_ipv6_host_by_its_network() {
        let network = |text: &str| Peer(text.parse().unwrap()).network();
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
