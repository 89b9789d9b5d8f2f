//! Kerberos as the system has it: its GSS-API library (RFC 2744), with the ticket caches, keytabs and
//! settings that it knows. It is loaded when a proxy first asks for it, so that a machine without it
//! misses nothing else.
//!
//! `unsafe`, because the library is C. Every call is made here, through one small set of functions,
//! and everything it gives is copied and released at once.
#![allow(unsafe_code, reason = "the system's Kerberos is a C library")]

mod library;

use std::ffi::c_int;
use std::ptr::{null, null_mut};
use std::time::{SystemTime, UNIX_EPOCH};

use super::tickets::{GssError, Ticket};
use library::{Buffer, ERROR, Oid, OidSet, Owned, gss};

/// Object identifiers in DER (RFC 1964; RFC 2743, section 4).
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
const HOST_SERVICE: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04";
const USER_NAME: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01";

const INITIATE: c_int = 1;
const INDEFINITE: u32 = u32::MAX;

/// What a user proves who they are with.
pub(super) struct Cred(Owned);

impl std::fmt::Debug for Cred {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cred")
    }
}

impl Cred {
    /// What the system knows of this process's user: the ticket cache that `KRB5CCNAME` or the
    /// settings name, or a client's keytab. It is looked at anew each time.
    ///
    /// # Errors
    /// [`GssError::Unusable`].
    pub(super) fn of_tickets() -> Result<Self, GssError> {
        let gss = gss()?;
        let mut mechanism = Oid::of(KERBEROS);
        let set = OidSet {
            count: 1,
            elements: &raw mut mechanism,
        };
        let (mut minor, mut cred) = (0, null_mut());
        // Every pointer is valid for the call, or null where the library allows that.
        let major = unsafe {
            (gss.acquire_cred)(
                &raw mut minor,
                null_mut(),
                INDEFINITE,
                &raw const set,
                INITIATE,
                &raw mut cred,
                null_mut(),
                null_mut(),
            )
        };
        gss.check(major, minor)?;
        Ok(Self(gss.owned(cred, gss.release_cred)))
    }

    /// A user's password, for which the KDC gives a ticket when one is needed. It stays in memory.
    ///
    /// # Errors
    /// See [`GssError`].
    pub(super) fn of_password(user: &str, password: &str) -> Result<Self, GssError> {
        let gss = gss()?;
        let name = gss.name(user, USER_NAME)?;
        let mut mechanism = Oid::of(KERBEROS);
        let set = OidSet {
            count: 1,
            elements: &raw mut mechanism,
        };
        let secret = Buffer::of(password.as_bytes());
        let (mut minor, mut cred) = (0, null_mut());
        // As above.
        let major = unsafe {
            (gss.acquire_cred_with_password)(
                &raw mut minor,
                name.handle,
                &raw const secret,
                INDEFINITE,
                &raw const set,
                INITIATE,
                &raw mut cred,
                null_mut(),
                null_mut(),
            )
        };
        gss.check(major, minor)?;
        Ok(Self(gss.owned(cred, gss.release_cred)))
    }

    /// Which ticket it is; none where that is not known, or too old: a token then says why.
    pub(super) fn ticket(&self) -> Ticket {
        let Ok(gss) = gss() else {
            return Ticket::default();
        };
        let (mut minor, mut name, mut left) = (0, null_mut(), 0);
        // As above.
        let major = unsafe {
            (gss.inquire_cred)(
                &raw mut minor,
                self.0.handle,
                &raw mut name,
                &raw mut left,
                null_mut(),
                null_mut(),
            )
        };
        let name = gss.owned(name, gss.release_name);
        if major & ERROR != 0 || name.handle.is_null() {
            return Ticket::default();
        }
        let mut text = Buffer::empty();
        // As above; the text is the library's until it is taken.
        let _ =
            unsafe { (gss.display_name)(&raw mut minor, name.handle, &raw mut text, null_mut()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        Ticket {
            user: String::from_utf8_lossy(&gss.take(&mut text)).into_owned(),
            until: match left {
                INDEFINITE => u64::MAX,
                left => now + u64::from(left),
            },
        }
    }

    /// A Kerberos token for the service `HTTP` on this host. It may take the KDC's time.
    ///
    /// # Errors
    /// See [`GssError`].
    pub(super) fn token(&self, host: &str) -> Result<Vec<u8>, GssError> {
        let gss = gss()?;
        let target = gss.name(&format!("HTTP@{host}"), HOST_SERVICE)?;
        let mechanism = Oid::of(KERBEROS);
        let (mut minor, mut context, mut token) = (0, null_mut(), Buffer::empty());
        // As above; the token is the library's until it is released below.
        let major = unsafe {
            (gss.init_sec_context)(
                &raw mut minor,
                self.0.handle,
                &raw mut context,
                target.handle,
                &raw const mechanism,
                0,
                0,
                null(),
                null(),
                null_mut(),
                &raw mut token,
                null_mut(),
                null_mut(),
            )
        };
        let made = gss.take(&mut token);
        let mut ignored = 0;
        // One token is all that is said: nothing goes on in this context.
        let _ = unsafe { (gss.delete_sec_context)(&raw mut ignored, &raw mut context, null_mut()) };
        gss.check(major, minor)?;
        Ok(made)
    }
}
