//! Where this process may connect to.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use connectus_core::{Code, Error, Result};
use ipnet::IpNet;
use url::{Host, Url};

use super::address::{canonical, is_forbidden, is_metadata, is_this_machine};

/// Longest URL accepted, in bytes.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// Where this process may connect to: the public internet over HTTPS, and what is allowed here.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// Private networks and single endpoints opened on purpose.
    pub allow: Vec<Allowed>,
    /// Ports of the public internet open besides 443.
    pub ports: Vec<u16>,
    /// Whether plain HTTP may be spoken to other machines. Loopback may always, once allowed.
    pub allow_insecure_http: bool,
    /// Ports this process listens on; closed on this machine whatever `allow` says.
    pub own_ports: Vec<u16>,
}

/// An entry of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Every port of a network: `10.1.0.0/16`, `127.0.0.1`.
    Net(IpNet),
    /// One port of one address: `127.0.0.1:9000`, `[::1]:9000`.
    Endpoint(IpAddr, u16),
    /// One port of one host name, whatever it resolves to: `crm.internal:8443`.
    Name(String, u16),
}

impl FromStr for Allowed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Net(IpNet::from(canonical(ip))));
        }
        if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
            return Ok(Self::Endpoint(canonical(socket.ip()), socket.port()));
        }
        let parsed = text.rsplit_once(':').and_then(|(name, port)| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
            let named = !name.is_empty() && name.bytes().all(plain);
            Some(Self::Name(name.to_ascii_lowercase(), port.parse().ok().filter(|_| named)?))
        });
        parsed.ok_or_else(|| {
            let message = format!("`{text}` is not a network, an address:port or a name:port");
            Error::invalid("egress.allow", message)
        })
    }
}

/// A URL that may be connected to as far as its text tells.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL in canonical form, without a fragment.
    pub url: Url,
    /// Its host.
    pub host: TargetHost,
    /// Its port, explicit or the scheme's.
    pub port: u16,
}

/// The host of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetHost {
    /// A literal address.
    Ip(IpAddr),
    /// A name, lower case, without trailing dots.
    Name(Arc<str>),
}

impl Target {
    /// `scheme://host[:port]`, the unit credentials are bound to.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl EgressPolicy {
    /// Opens entries for tests and demos: `EgressPolicy::allowing(["127.0.0.1:9000"])`.
    ///
    /// # Errors
    /// `invalid` for an entry that cannot be read.
    pub fn allowing<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let allow = entries.into_iter().map(str::parse).collect::<Result<_>>()?;
        Ok(Self { allow, ..Self::default() })
    }

    /// Reads a URL once, the way the connection will be made from it.
    ///
    /// # Errors
    /// `egress_denied`, saying what to change.
    pub fn target(&self, text: &str) -> Result<Target> {
        if text.len() > MAX_URL_BYTES {
            return Err(denied(format!("The URL is longer than {MAX_URL_BYTES} bytes.")));
        }
        // The WHATWG parser drops tabs and newlines and turns backslashes into slashes; another
        // parser along the way might not. What is ambiguous is not sent.
        if text.bytes().any(|b| b <= b' ' || b == b'\\' || b == 0x7f) {
            return Err(denied("The URL holds spaces, control characters or backslashes."));
        }
        let mut url =
            Url::parse(text).map_err(|error| denied(format!("Not a valid URL: {error}.")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(denied("The URL holds a user name or password; use a credential."));
        }
        url.set_fragment(None);
        let host = match url.host() {
            Some(Host::Ipv4(ip)) => TargetHost::Ip(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => TargetHost::Ip(canonical(IpAddr::V6(ip))),
            Some(Host::Domain(name)) => name_or_address(name)?,
            None => return Err(denied("The URL has no host.")),
        };
        let port = url.port_or_known_default().unwrap_or(0);
        let target = Target { url, host, port };
        self.check_scheme(&target)?;
        match &target.host {
            TargetHost::Ip(ip) => self.check_address(*ip, port, None)?,
            TargetHost::Name(_) if port == 0 => return Err(denied("The URL's port is 0.")),
            TargetHost::Name(_) => {}
        }
        Ok(target)
    }

    fn check_scheme(&self, target: &Target) -> Result<()> {
        let on_this_machine = match &target.host {
            TargetHost::Ip(ip) => ip.is_loopback(),
            TargetHost::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
        };
        match target.url.scheme() {
            "https" => Ok(()),
            "http" if self.allow_insecure_http || on_this_machine => Ok(()),
            "http" => Err(denied(
                "Plain HTTP is refused: use https://, or allow it with ALLOW_INSECURE_HTTP.",
            )),
            other => Err(denied(format!("`{other}:` is not a scheme Connectus connects to."))),
        }
    }

    /// Checks one address a connection is about to be made to.
    ///
    /// # Errors
    /// `egress_denied`. The message names no address, so that a caller cannot map a network by it.
    pub fn check_address(&self, ip: IpAddr, port: u16, name: Option<&str>) -> Result<()> {
        let ip = canonical(ip);
        let own = is_this_machine(ip) && self.own_ports.contains(&port);
        if port == 0 || own || is_metadata(ip) {
            return Err(denied("This address is never connected to."));
        }
        let allowed = self.allow.iter().any(|entry| match entry {
            Allowed::Net(net) => net.contains(&ip),
            Allowed::Endpoint(address, open) => *address == ip && *open == port,
            Allowed::Name(host, open) => name == Some(host.as_str()) && *open == port,
        });
        if allowed {
            return Ok(());
        }
        if is_forbidden(ip) {
            return Err(denied(
                "The host is not on the public internet. An administrator can open its network \
                 or address with the setting egress.allow.",
            ));
        }
        match port {
            443 => Ok(()),
            80 if self.allow_insecure_http => Ok(()),
            _ if self.ports.contains(&port) => Ok(()),
            _ => Err(denied(format!(
                "Port {port} is not open. An administrator can open host:{port} with the setting \
                 egress.allow."
            ))),
        }
    }

    /// Checks every address of a name; one bad address refuses them all.
    ///
    /// # Errors
    /// `egress_denied`.
    pub fn check_addresses(&self, ips: &[IpAddr], port: u16, name: &str) -> Result<()> {
        ips.iter().try_for_each(|ip| self.check_address(*ip, port, Some(name)))
    }
}

/// A name that is an address once its trailing dots are gone must not pass as a name.
fn name_or_address(name: &str) -> Result<TargetHost> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name.is_empty() {
        return Err(denied("The URL has no host."));
    }
    Ok(match name.parse::<IpAddr>() {
        Ok(ip) => TargetHost::Ip(canonical(ip)),
        Err(_) => TargetHost::Name(name.into()),
    })
}

pub(super) fn denied(detail: impl Into<String>) -> Error {
    Error::new(Code::EgressDenied, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_entry_and_refuses_the_rest() {
        let net: Allowed = "10.0.0.0/8".parse().unwrap();
        assert_eq!(net, Allowed::Net("10.0.0.0/8".parse().unwrap()));
        let one: Allowed = "127.0.0.1:9".parse().unwrap();
        assert_eq!(one, Allowed::Endpoint("127.0.0.1".parse().unwrap(), 9));
        let six: Allowed = "[::1]:9".parse().unwrap();
        assert_eq!(six, Allowed::Endpoint("::1".parse().unwrap(), 9));
        let name: Allowed = "CRM.internal:8443".parse().unwrap();
        assert_eq!(name, Allowed::Name("crm.internal".into(), 8443));
        for text in ["", "*", "host", "host:", "host:70000", "a b:1", ":80", "10.0.0.0/40"] {
            assert_eq!(text.parse::<Allowed>().unwrap_err().code, Code::Invalid, "{text:?}");
        }
    }

    #[test]
    fn an_allowed_network_opens_neither_metadata_nor_our_own_port() {
        let policy = EgressPolicy {
            allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            allow_insecure_http: true,
            own_ports: vec![8360],
            ports: vec![9000, 8360],
        };
        for url in ["http://127.0.0.1:9000/", "https://10.0.0.1/", "http://[::1]:9000/"] {
            assert!(policy.target(url).is_ok(), "{url}");
        }
        for url in [
            "http://127.0.0.1:8360/",
            "http://[::1]:8360/",
            "http://[::ffff:127.0.0.1]:8360/",
            "http://0.0.0.0:8360/",
            "http://0x7f.1:8360/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://127.0.0.1:0/",
        ] {
            assert_eq!(policy.target(url).unwrap_err().code, Code::EgressDenied, "{url}");
        }
    }

    #[test]
    fn a_name_has_one_form() {
        let policy = EgressPolicy::default();
        for url in ["https://API.Example.com/", "https://api.example.com./"] {
            let host = policy.target(url).unwrap().host;
            assert_eq!(host, TargetHost::Name("api.example.com".into()), "{url}");
        }
        assert!(policy.target("https://10.0.0.1./").is_err(), "an address, whatever follows it");
    }

    #[test]
    fn an_entry_with_a_port_opens_that_port_only() {
        let policy = EgressPolicy::allowing(["127.0.0.1:9000", "crm.internal:8443"]).unwrap();
        assert!(policy.target("http://127.0.0.1:9000/").is_ok());
        assert!(policy.target("http://127.0.0.1:9001/").is_err());
        assert!(policy.target("https://127.0.0.1/").is_err());
        let inside = "10.0.0.5".parse().unwrap();
        let open = |port, name| policy.check_address(inside, port, name).is_ok();
        assert!(open(8443, Some("crm.internal")));
        assert!(!open(443, Some("crm.internal")));
        assert!(!open(8443, Some("other.internal")));
        assert!(!open(8443, None));
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let policy = EgressPolicy::default();
        assert!(policy.target("https://api.example.com/a").is_ok());
        for url in [
            "https://api.example.com\\@other.example.com/",
            "https:\\\\api.example.com/",
            "https://api.exam\nple.com/",
            "https://api.example.com/\ta",
            "https://api.example.com/a b",
            " https://api.example.com/",
            "https://api.example.com/\u{7f}",
        ] {
            assert_eq!(policy.target(url).unwrap_err().code, Code::EgressDenied, "{url:?}");
        }
    }

    #[test]
    fn https_is_the_rule_and_other_ports_are_closed() {
        let strict = EgressPolicy::default();
        assert!(strict.target("https://api.example.com/x").is_ok());
        assert!(strict.target("https://8.8.8.8/x").is_ok());
        for url in ["http://8.8.8.8/", "http://api.example.com/", "https://8.8.8.8:22/"] {
            assert_eq!(strict.target(url).unwrap_err().code, Code::EgressDenied, "{url}");
        }
        let open = EgressPolicy { allow_insecure_http: true, ..EgressPolicy::default() };
        assert!(open.target("http://8.8.8.8/").is_ok());
        assert!(open.target("http://8.8.8.8:8080/").is_err());
        assert!(open.target("http://10.0.0.1/").is_err());
    }
}
