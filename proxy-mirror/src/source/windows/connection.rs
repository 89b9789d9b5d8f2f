//! The settings of one connection, as WinINET and WinHTTP pack them.
//!
//! | bytes | WinINET | WinHTTP |
//! |---|---|---|
//! | 4 | size of the structure: 60 or more | 24, or 40 where a script may follow |
//! | 4 | counts the changes | 0 |
//! | 4 | what is chosen: 1 direct, 2 a proxy, 4 a script, 8 detection | the same |
//! | 4 + n | the proxies | the proxies |
//! | 4 + n | the exceptions | the exceptions |
//! | 4 + n | the script's address | the same, from 40 on and where bytes are left |
//! | the rest | of detection: not looked at | |
//!
//! Numbers are little-endian; a text is its length in bytes and then itself, without an end. No
//! header of Windows's names this; it is what .NET's own `System.Net` reads of the first, and what
//! `netsh winhttp` leaves in the second.

/// What is packed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) detect: bool,
    /// The script's address, where it is chosen and there is one.
    pub(super) script: Option<String>,
    /// The proxies and their exceptions, where they are chosen and there are any.
    pub(super) proxy: Option<(String, String)>,
}

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    WinInet,
    WinHttp,
}

const PROXY: u32 = 2;
const SCRIPT: u32 = 4;
const DETECT: u32 = 8;

/// Unpacks it.
///
/// # Errors
/// A sentence with the byte at which it is broken.
pub(super) fn unpack(bytes: &[u8], layout: Layout) -> Result<Connection, String> {
    let mut packed = Packed { bytes, at: 0 };
    let size = packed.number("the structure's size")?;
    let smallest = match layout {
        Layout::WinInet => 60,
        Layout::WinHttp => 24,
    };
    if size < smallest {
        return Err(format!(
            "byte 0: a structure of {size} bytes is of a form that is not known"
        ));
    }
    packed.number("the count of changes")?;
    let chosen = packed.number("what is chosen")?;
    let proxies = packed.text("the proxies")?;
    let exceptions = packed.text("the exceptions")?;
    let script = match layout {
        Layout::WinInet => packed.text("the script's address")?,
        Layout::WinHttp if size >= 40 && packed.at < bytes.len() => {
            packed.text("the script's address")?
        }
        Layout::WinHttp => String::new(),
    };
    let is_chosen = |flag: u32, text: &String| chosen & flag != 0 && !text.is_empty();
    Ok(Connection {
        detect: chosen & DETECT != 0,
        // Chosen and empty, they are nothing to Windows.
        script: Some(script).filter(|script| is_chosen(SCRIPT, script)),
        proxy: Some(proxies)
            .filter(|proxies| is_chosen(PROXY, proxies))
            .map(|proxies| (proxies, exceptions)),
    })
}

struct Packed<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Packed<'b> {
    fn number(&mut self, what: &str) -> Result<u32, String> {
        let number = self.take(4, what)?;
        // Four bytes were taken.
        Ok(number
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | u32::from(*byte)))
    }

    fn text(&mut self, what: &str) -> Result<String, String> {
        let length = self.number(&format!("the length of {what}"))?;
        let start = self.at;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.take(length, what)?;
        let broken = |at: usize, why: &str| format!("byte {}: {what}: {why}", start + at);
        let text = std::str::from_utf8(bytes)
            .map_err(|error| broken(error.valid_up_to(), "is no text"))?
            // Some programs count the end in.
            .trim_end_matches('\0');
        match text.find(|c: char| c.is_control() && !c.is_whitespace()) {
            Some(at) => Err(broken(at, "holds a control character")),
            None => Ok(text.trim().to_owned()),
        }
    }

    fn take(&mut self, count: usize, what: &str) -> Result<&'b [u8], String> {
        let left = &self.bytes[self.at..];
        let taken = left.get(..count).ok_or_else(|| {
            format!(
                "byte {}: {what}: {count} bytes were expected, and {} are left",
                self.at,
                left.len()
            )
        })?;
        self.at += count;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
