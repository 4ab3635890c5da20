//! What a proxy listens on or connects to: an address of a Unix socket or of TCP.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::ffi::OsStrExt as _;

use unix_transport::Address;

/// An address of either family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix domain stream socket: `unix:PATH`, `unix:@NAME`, or without `unix:`.
    Unix(Address),
    /// TCP: `tcp:HOST:PORT`.
    Tcp(HostPort),
}

/// A host by its name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl Endpoint {
    /// The address that `text` is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: OsString) -> Result<Endpoint, String> {
        let bytes = text.as_bytes();
        if let Some(tcp) = bytes.strip_prefix(b"tcp:") {
            return HostPort::parse(tcp).map(Endpoint::Tcp);
        }
        let unix = bytes.strip_prefix(b"unix:").unwrap_or(bytes);
        Address::from_text(unix).map(Endpoint::Unix).map_err(|error| error.to_string())
    }
}

impl HostPort {
    fn parse(text: &[u8]) -> Result<HostPort, String> {
        let text = str::from_utf8(text).map_err(|_| "a host name is not UTF-8".to_owned())?;
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err("it has no port: TCP is written tcp:HOST:PORT".to_owned());
        };
        let port = port.parse().map_err(|_| format!("{port:?} is not a port from 0 to 65535"))?;
        let number = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match number {
            None if host.is_empty() => Err("it has no host; 0.0.0.0 stands for all".to_owned()),
            None if host.contains(':') => {
                Err("write an IPv6 host in brackets, as [::1]".to_owned())
            }
            _ => Ok(HostPort { host: number.unwrap_or(host).to_owned(), port }),
        }
    }

    /// All addresses of the host. Blocks while a name is looked up.
    ///
    /// # Errors
    /// Those of the look-up; `NotFound` if it has none.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        match addresses.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address")),
            false => Ok(addresses),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(address) => address.fmt(f),
            Endpoint::Tcp(HostPort { host, port }) if host.contains(':') => {
                write!(f, "tcp:[{host}]:{port}")
            }
            Endpoint::Tcp(HostPort { host, port }) => write!(f, "tcp:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for (text, shown) in [
            ("/run/x.sock", "/run/x.sock"),
            ("unix:/run/x.sock", "/run/x.sock"),
            ("unix:@name", "@name"),
            ("unix:tcp:x", "tcp:x"),
            ("tcp:localhost:80", "tcp:localhost:80"),
            ("tcp:[::1]:0", "tcp:[::1]:0"),
        ] {
            let endpoint = Endpoint::parse(text.into()).expect("an address");
            assert!(endpoint.to_string().ends_with(shown), "{endpoint}");
        }
        for (text, wrong) in [
            ("", "empty"),
            ("unix:", "empty"),
            ("tcp:", "no port"),
            ("tcp:localhost", "no port"),
            ("tcp::80", "no host"),
            ("tcp:localhost:http", "\"http\" is not a port"),
            ("tcp:localhost:65536", "\"65536\" is not a port"),
            ("tcp:::1:80", "in brackets"),
        ] {
            let error = Endpoint::parse(text.into()).expect_err("no address");
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
