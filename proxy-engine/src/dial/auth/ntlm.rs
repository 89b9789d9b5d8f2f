//! NTLM version 2 (MS-NLMP, sections 2.2 and 3.3.2), as a client without sealing: three messages,
//! of which the last proves that the password is known.
//!
//! Own code, because it is three structures and two hashes: `sspi` has it too, with a certificate
//! library, RSA and a Kerberos client around it, and neither the log-in of Windows nor a ticket
//! cache, which are what would have made up for that.

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::Md5;
use md5::digest::Digest;
use secrecy::{ExposeSecret, SecretString};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// MS-NLMP, section 2.2.2.5.
mod flag {
    pub(super) const UNICODE: u32 = 0x0000_0001;
    pub(super) const OEM: u32 = 0x0000_0002;
    pub(super) const REQUEST_TARGET: u32 = 0x0000_0004;
    pub(super) const NTLM: u32 = 0x0000_0200;
    pub(super) const ALWAYS_SIGN: u32 = 0x0000_8000;
    pub(super) const EXTENDED_SECURITY: u32 = 0x0008_0000;
    pub(super) const TARGET_INFO: u32 = 0x0080_0000;
}

/// What a client can do here, and asks for.
const WANTED: u32 = flag::OEM
    | flag::UNICODE
    | flag::REQUEST_TARGET
    | flag::NTLM
    | flag::ALWAYS_SIGN
    | flag::EXTENDED_SECURITY;

/// Ids of attribute pairs (MS-NLMP, section 2.2.2.1).
mod pair {
    pub(super) const END: u16 = 0;
    pub(super) const DOMAIN: u16 = 2;
    pub(super) const FLAGS: u16 = 6;
    pub(super) const TIME: u16 = 7;
    pub(super) const TARGET: u16 = 9;
    pub(super) const BINDINGS: u16 = 10;
}

/// In [`pair::FLAGS`]: the last message carries a code over all three.
const HAS_CODE: u32 = 0x2;
/// The length of the last message's fields, and with the code behind them, before which eight bytes
/// stand for a version.
const FIELDS: usize = 64;
const CODE_AT: usize = FIELDS + 8;
/// 100 ns steps from 1601 to 1970.
const EPOCH: u64 = 116_444_736_000_000_000;

/// The first message: what this client can do. It names nobody.
pub(super) fn hello() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&1_u32.to_le_bytes());
    message.extend_from_slice(&WANTED.to_le_bytes());
    // Neither a domain nor a workstation.
    for _ in 0..2 {
        message.extend_from_slice(&field(0, 32));
    }
    message
}

/// What a proxy says in the second message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    message: Vec<u8>,
    flags: u32,
    nonce: [u8; 8],
    target: Vec<u8>,
    /// Attribute pairs, without the last one.
    pairs: Vec<(u16, Vec<u8>)>,
}

impl Challenge {
    /// Reads the second message; `None` where it is none.
    pub fn read(message: &[u8]) -> Option<Self> {
        let at = |from: usize, length: usize| message.get(from..from.checked_add(length)?);
        let payload = |from: usize| {
            let length = u16::from_le_bytes(at(from, 2)?.try_into().ok()?);
            let offset = u32::from_le_bytes(at(from + 4, 4)?.try_into().ok()?);
            at(usize::try_from(offset).ok()?, length.into())
        };
        if at(0, 8)? != SIGNATURE || at(8, 4)? != 2_u32.to_le_bytes() {
            return None;
        }
        let flags = u32::from_le_bytes(at(20, 4)?.try_into().ok()?);
        let pairs = if flags & flag::TARGET_INFO == 0 {
            Vec::new()
        } else {
            pairs(payload(40)?)?
        };
        Some(Self {
            flags,
            nonce: at(24, 8)?.try_into().ok()?,
            // Some say that it stands where nothing is. It is needed only where a user names no
            // domain.
            target: payload(12).unwrap_or_default().to_vec(),
            pairs,
            message: message.to_vec(),
        })
    }

    fn pair(&self, id: u16) -> Option<&[u8]> {
        let found = self.pairs.iter().find(|(i, _)| *i == id);
        found.map(|(_, value)| value.as_slice())
    }

    /// The third message. `proxy` is the host that it is for.
    ///
    /// # Errors
    /// That of the system where it gives no random bytes.
    pub fn answer(
        &self,
        user: &str,
        password: &SecretString,
        proxy: &str,
    ) -> Result<Vec<u8>, getrandom::Error> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        Ok(self.answer_with(user, password, proxy, random, now()))
    }

    fn answer_with(
        &self,
        user: &str,
        password: &SecretString,
        proxy: &str,
        random: [u8; 8],
        now: u64,
    ) -> Vec<u8> {
        let (user, domain) = self.names(user);
        let key = key(user, &domain, password);
        let told = self.pair(pair::TIME);
        // A proxy that tells the time wants the code, and no answer of the old kind.
        let has_code = told.is_some();
        let time = told.map_or_else(|| now.to_le_bytes().to_vec(), <[u8]>::to_vec);
        let proof = |of: &[&[u8]]| mac(&key, of);
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend_from_slice(&time);
        temp.extend_from_slice(&random);
        temp.extend_from_slice(&[0; 4]);
        temp.extend_from_slice(&self.pairs_back(proxy, has_code));
        temp.extend_from_slice(&[0; 4]);
        let nt_proof = proof(&[&self.nonce, &temp]);
        let nt = [&nt_proof[..], &temp].concat();
        let lm = if has_code {
            vec![0; 24]
        } else {
            [&proof(&[&self.nonce, &random])[..], &random].concat()
        };
        let names = [self.written(&domain), self.written(user)];
        let mut message = self.third(&names, &lm, &nt, has_code);
        if has_code {
            let session = mac(&key, &[&nt_proof]);
            let code = mac(&session, &[&hello(), &self.message, &message]);
            message[CODE_AT..CODE_AT + 16].copy_from_slice(&code);
        }
        message
    }

    /// User and domain: `DOMAIN\user`; `user@realm` as it is, which needs no domain; else the domain
    /// is the proxy's own.
    fn names<'u>(&self, user: &'u str) -> (&'u str, String) {
        match user.split_once('\\') {
            Some((domain, user)) => (user, domain.to_owned()),
            None if user.contains('@') => (user, String::new()),
            None => {
                let own = self.pair(pair::DOMAIN).map(narrow);
                let own = own.unwrap_or_else(|| {
                    if self.is_unicode() {
                        narrow(&self.target)
                    } else {
                        self.target.iter().copied().map(char::from).collect()
                    }
                });
                (user, own)
            }
        }
    }

    fn is_unicode(&self) -> bool {
        self.flags & flag::UNICODE != 0
    }

    /// A name as the proxy wants it: some know no Unicode, and which letters they have beside
    /// ASCII, nobody can tell.
    fn written(&self, name: &str) -> Vec<u8> {
        if self.is_unicode() {
            return wide(name);
        }
        let byte = |c: char| u8::try_from(c).unwrap_or(b'?');
        name.chars().map(byte).collect()
    }

    /// The proxy's attribute pairs as they go back, with what this client adds.
    fn pairs_back(&self, proxy: &str, has_code: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut push = |id: u16, value: &[u8]| {
            let length = u16::try_from(value.len()).unwrap_or(0);
            out.extend_from_slice(&id.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&value[..length.into()]);
        };
        let ours = [pair::FLAGS, pair::TARGET, pair::BINDINGS];
        for (id, value) in &self.pairs {
            if !(has_code && ours.contains(id)) {
                push(*id, value);
            }
        }
        if has_code {
            push(pair::FLAGS, &HAS_CODE.to_le_bytes());
            push(pair::BINDINGS, &[0; 16]);
            push(pair::TARGET, &wide(&format!("HTTP/{proxy}")));
        }
        push(pair::END, &[]);
        out
    }

    fn third(&self, names: &[Vec<u8>; 2], lm: &[u8], nt: &[u8], has_code: bool) -> Vec<u8> {
        let head = if has_code { CODE_AT + 16 } else { FIELDS };
        let [domain, user] = names;
        let mut fields = Vec::new();
        let mut payload = Vec::new();
        // In the order of the message; the last is the session key, which is not exchanged.
        for part in [lm, nt, domain, user, &[], &[]] {
            fields.extend_from_slice(&field(part.len(), head + payload.len()));
            payload.extend_from_slice(part);
        }
        let mut message = SIGNATURE.to_vec();
        message.extend_from_slice(&3_u32.to_le_bytes());
        message.extend_from_slice(&fields);
        let agreed = self.flags & (WANTED | flag::TARGET_INFO);
        message.extend_from_slice(&agreed.to_le_bytes());
        message.resize(head, 0);
        message.extend_from_slice(&payload);
        message
    }
}

/// Length twice, and the offset of what has it.
fn field(length: usize, offset: usize) -> [u8; 8] {
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    let offset = u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes();
    let mut field = [0; 8];
    field[..2].copy_from_slice(&length);
    field[2..4].copy_from_slice(&length);
    field[4..].copy_from_slice(&offset);
    field
}

fn pairs(mut list: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut pairs = Vec::new();
    loop {
        let (id, rest) = list.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (id, length) = (u16::from_le_bytes(*id), u16::from_le_bytes(*length));
        let (value, rest) = rest.split_at_checked(length.into())?;
        match id {
            pair::END => return Some(pairs),
            // Eight bytes, or none at all.
            pair::TIME if value.len() != 8 => return None,
            _ => pairs.push((id, value.to_vec())),
        }
        list = rest;
    }
}

/// `NTOWFv2` (MS-NLMP, section 3.3.2).
fn key(user: &str, domain: &str, password: &SecretString) -> [u8; 16] {
    let hash = Md4::digest(wide(password.expose_secret()));
    // One letter for one: that is how the other side does it.
    let upper = user.chars().map(|c| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    });
    mac(&hash, &[&wide(&upper.collect::<String>()), &wide(domain)])
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("a key of any length will do");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// In UTF-16.
fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// From UTF-16.
fn narrow(wide: &[u8]) -> String {
    let (units, _) = wide.as_chunks();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16_lossy(&units)
}

/// In 100 ns steps since 1601.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let steps = since.map_or(0, |since| since.as_nanos() / 100);
    u64::try_from(steps).unwrap_or(0).saturating_add(EPOCH)
}

#[cfg(test)]
mod tests;
