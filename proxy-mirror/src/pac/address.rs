//! Where a script is.

use std::borrow::Cow;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;

/// Where a script is looked for when the system says "detect automatically": by the name that the
/// network's own resolver completes (draft-ietf-wrec-wpad-01). A script given by DHCP is found where
/// the system itself reports its address.
pub const DETECTED: &str = "http://wpad/wpad.dat";

/// A script's address, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A file of this machine.
    File(PathBuf),
    /// The script itself (RFC 2397), as policies of browsers may say it.
    Inline {
        /// As it was written, decoded.
        bytes: Vec<u8>,
        /// What it is said to be encoded in.
        charset: Option<String>,
    },
    /// On a server.
    Server {
        /// Whether it is asked over TLS.
        tls: bool,
        /// Host, without brackets.
        host: String,
        /// TCP port.
        port: u16,
        /// Path and query.
        path: String,
    },
}

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("it is no http, https, file or data address")]
    Scheme,
    /// No host, or one that is none.
    #[error("it names no host")]
    Host,
    /// A script in the address that cannot be read.
    #[error(
        "what stands after data: cannot be read: write data:application/x-ns-proxy-autoconfig;base64,…"
    )]
    Data,
    /// A file of another machine, or none.
    #[error("it names no file of this machine: write file:///PATH")]
    File,
}

impl Address {
    /// Understands an address.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = strip(text, "file://") {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            return file(path);
        }
        if let Some(rest) = strip(text, "data:") {
            return inline(rest);
        }
        let uri: Uri = text.parse().map_err(|_| AddressError::Host)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(AddressError::Scheme),
        };
        let host = uri.host().ok_or(AddressError::Host)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if proxy_engine::route::Host::parse(uri.host().unwrap_or_default()).is_none() {
            return Err(AddressError::Host);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self::Server {
            tls,
            host: host.to_ascii_lowercase(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

/// The address of a script that stands in the settings themselves.
pub fn inline_address(script: &str) -> String {
    format!("data:;charset=utf-8;base64,{}", STANDARD.encode(script))
}

/// An address as people see it: of a script that stands in it, only that it does.
pub fn shown(address: &str) -> Cow<'_, str> {
    match strip(address, "data:") {
        Some(_) => format!("data:… ({} bytes)", address.len()).into(),
        None => address.into(),
    }
}

/// `MEDIA/TYPE;charset=…;base64,SCRIPT`, all but the comma and the script optional.
fn inline(text: &str) -> Result<Address, AddressError> {
    let (kind, script) = text.split_once(',').ok_or(AddressError::Data)?;
    let mut parameters = kind.split(';').skip(1).map(str::trim);
    let in_base64 = parameters
        .clone()
        .any(|parameter| parameter.eq_ignore_ascii_case("base64"));
    let charset = parameters.find_map(|parameter| strip(parameter, "charset="));
    let decoded = percent_encoding::percent_decode_str(script);
    let bytes = if in_base64 {
        let mut packed: Vec<u8> = decoded.collect();
        packed.retain(|byte| !byte.is_ascii_whitespace());
        STANDARD.decode(packed).map_err(|_| AddressError::Data)?
    } else {
        decoded.collect()
    };
    Ok(Address::Inline {
        bytes,
        charset: charset.map(str::to_owned),
    })
}

fn strip<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let start = text.get(..scheme.len())?;
    start
        .eq_ignore_ascii_case(scheme)
        .then(|| &text[scheme.len()..])
}

fn file(path: &str) -> Result<Address, AddressError> {
    let decoded = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| AddressError::File)?;
    // `file:///C:/x.pac`
    let bare = if cfg!(windows) {
        decoded.trim_start_matches('/')
    } else {
        &decoded
    };
    let path = PathBuf::from(bare);
    if path.is_absolute() && !bare.contains('\0') {
        Ok(Address::File(path))
    } else {
        Err(AddressError::File)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, inline_address, shown};

    fn server(tls: bool, host: &str, port: u16, path: &str) -> Address {
        Address::Server {
            tls,
            host: host.into(),
            port,
            path: path.into(),
        }
    }

    #[test]
    fn an_address_is_understood_as_it_is_written() {
        for (text, want) in [
            (
                "http://wpad/wpad.dat",
                server(false, "wpad", 80, "/wpad.dat"),
            ),
            ("https://PAC.test", server(true, "pac.test", 443, "/")),
            (
                "http://a.test:8080/x?y=1",
                server(false, "a.test", 8080, "/x?y=1"),
            ),
            (
                "http://[2001:db8::1]:81/x",
                server(false, "2001:db8::1", 81, "/x"),
            ),
        ] {
            assert_eq!(Address::parse(text), Ok(want), "{text}");
        }
        #[cfg(unix)]
        for text in ["file:///etc/a%20b.pac", "FILE://localhost/etc/a%20b.pac"] {
            let want = Address::File("/etc/a b.pac".into());
            assert_eq!(Address::parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn a_script_that_stands_in_its_address_is_read_and_not_shown() {
        let inline = |bytes: &[u8], charset: Option<&str>| Address::Inline {
            bytes: bytes.to_vec(),
            charset: charset.map(str::to_owned),
        };
        for (text, want) in [
            ("data:,a%20b,c", inline(b"a b,c", None)),
            (
                "data:application/x-ns-proxy-autoconfig;base64,YSBiLGM=",
                inline(b"a b,c", None),
            ),
            (
                "DATA:text/plain;charset=windows-1252;BASE64,Y%61Ri",
                inline(b"a\xa4b", Some("windows-1252")),
            ),
        ] {
            assert_eq!(Address::parse(text), Ok(want), "{text}");
            assert_eq!(shown(text), format!("data:… ({} bytes)", text.len()));
        }
        assert_eq!(shown("http://a/b"), "http://a/b");
        let made = Address::parse(&inline_address("a b,é"));
        assert_eq!(made, Ok(inline("a b,é".as_bytes(), Some("utf-8"))));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, why) in [
            ("ftp://a.test/x", AddressError::Scheme),
            ("/etc/x.pac", AddressError::Scheme),
            ("http://", AddressError::Host),
            ("http://a b/", AddressError::Host),
            ("file://server/share/x.pac", AddressError::File),
            ("file://", AddressError::File),
            ("data:no comma", AddressError::Data),
            ("data:;base64,***", AddressError::Data),
        ] {
            assert_eq!(Address::parse(text), Err(why), "{text}");
        }
    }
}
