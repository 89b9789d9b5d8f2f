//! Kerberos as the system has it: its GSS-API library (RFC 2744), with the ticket caches, keytabs and
//! settings that it knows. It is loaded when a proxy first asks for it, so that a machine without it
//! misses nothing else.
//!
//! `unsafe`, because the library is C. Every call is made here, through one small set of functions,
//! and everything it gives is copied and released at once.
#![allow(unsafe_code, reason = "the system's Kerberos is a C library")]

use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use libloading::{Library, Symbol};

use super::tickets::Ticket;

/// The library of MIT Kerberos, as every distribution calls it.
const LIBRARY: &str = "libgssapi_krb5.so.2";

/// Object identifiers in DER (RFC 1964; RFC 2743, section 4).
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
const HOST_SERVICE: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04";
const USER_NAME: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01";

const INITIATE: c_int = 1;
const INDEFINITE: u32 = u32::MAX;
/// In the high 16 bits of a status: it failed (RFC 2744, section 3.9.1).
const ERROR: u32 = 0xffff_0000;
const OF_MECHANISM: c_int = 2;

/// `KRB5KDC_ERR_…` and `KRB5KRB_AP_ERR_…` by which a KDC says that a password is wrong, or its user
/// locked out (RFC 4120, section 7.5.9: 18, 23, 24, 31), as the library numbers them.
const REFUSALS: [i32; 4] = [
    -1_765_328_366,
    -1_765_328_361,
    -1_765_328_360,
    -1_765_328_353,
];

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GssError {
    /// Kerberos cannot be used: no library, no ticket, no KDC, no such service, …
    #[error("{0}")]
    Unusable(String),
    /// The KDC refused the password.
    #[error("the KDC refused the password")]
    Refused,
}

#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

#[repr(C)]
struct Oid {
    length: u32,
    elements: *mut c_void,
}

#[repr(C)]
struct OidSet {
    count: usize,
    elements: *mut Oid,
}

impl Buffer {
    fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len(),
            value: bytes.as_ptr().cast_mut().cast(),
        }
    }

    fn empty() -> Self {
        Self {
            length: 0,
            value: null_mut(),
        }
    }
}

impl Oid {
    fn of(bytes: &'static [u8]) -> Self {
        Self {
            length: u32::try_from(bytes.len()).expect("some bytes"),
            elements: bytes.as_ptr().cast_mut().cast(),
        }
    }
}

type Handle = *mut c_void;
type Release = unsafe extern "C" fn(*mut u32, *mut Handle) -> u32;

/// The functions that are used.
struct Gss {
    import_name: unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut Handle) -> u32,
    release_name: Release,
    acquire_cred: unsafe extern "C" fn(
        *mut u32,
        Handle,
        u32,
        *const OidSet,
        c_int,
        *mut Handle,
        *mut *mut OidSet,
        *mut u32,
    ) -> u32,
    acquire_cred_with_password: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *const Buffer,
        u32,
        *const OidSet,
        c_int,
        *mut Handle,
        *mut *mut OidSet,
        *mut u32,
    ) -> u32,
    release_cred: Release,
    inquire_cred: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *mut Handle,
        *mut u32,
        *mut c_int,
        *mut *mut OidSet,
    ) -> u32,
    display_name: unsafe extern "C" fn(*mut u32, Handle, *mut Buffer, *mut *mut Oid) -> u32,
    init_sec_context: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *mut Handle,
        Handle,
        *const Oid,
        u32,
        u32,
        *const c_void,
        *const Buffer,
        *mut *mut Oid,
        *mut Buffer,
        *mut u32,
        *mut u32,
    ) -> u32,
    delete_sec_context: unsafe extern "C" fn(*mut u32, *mut Handle, *mut Buffer) -> u32,
    release_buffer: unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32,
    display_status:
        unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32,
    /// Last: the functions are gone with it.
    _library: Library,
}

/// Something of the library's, released when it goes.
struct Owned {
    handle: Handle,
    release: Release,
}

// A handle may be used by any one thread at a time; credentials by several (RFC 2744 leaves both to
// the library, and MIT's locks them).
unsafe impl Send for Owned {}
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut minor = 0;
        // Nothing is left to do where that fails.
        let _ = unsafe { (self.release)(&raw mut minor, &raw mut self.handle) };
    }
}

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

impl Gss {
    fn load() -> Result<Self, libloading::Error> {
        // The system's own library, under its fixed name; its functions have these types
        // (RFC 2744, appendix A; the one with a password is MIT's).
        unsafe {
            let library = Library::new(LIBRARY)?;
            macro_rules! function {
                ($name:literal) => {{
                    let symbol: Symbol<'_, _> = library.get($name)?;
                    *symbol
                }};
            }
            Ok(Self {
                import_name: function!(b"gss_import_name\0"),
                release_name: function!(b"gss_release_name\0"),
                acquire_cred: function!(b"gss_acquire_cred\0"),
                acquire_cred_with_password: function!(b"gss_acquire_cred_with_password\0"),
                release_cred: function!(b"gss_release_cred\0"),
                inquire_cred: function!(b"gss_inquire_cred\0"),
                display_name: function!(b"gss_display_name\0"),
                init_sec_context: function!(b"gss_init_sec_context\0"),
                delete_sec_context: function!(b"gss_delete_sec_context\0"),
                release_buffer: function!(b"gss_release_buffer\0"),
                display_status: function!(b"gss_display_status\0"),
                _library: library,
            })
        }
    }

    fn name(&self, name: &str, kind: &'static [u8]) -> Result<Owned, GssError> {
        let (text, kind) = (Buffer::of(name.as_bytes()), Oid::of(kind));
        let (mut minor, mut handle) = (0, null_mut());
        // As above.
        let major = unsafe {
            (self.import_name)(
                &raw mut minor,
                &raw const text,
                &raw const kind,
                &raw mut handle,
            )
        };
        self.check(major, minor)?;
        Ok(self.owned(handle, self.release_name))
    }

    #[allow(
        clippy::unused_self,
        reason = "a handle lives no longer than the library, which is never unloaded"
    )]
    fn owned(&self, handle: Handle, release: Release) -> Owned {
        Owned { handle, release }
    }

    fn check(&self, major: u32, minor: u32) -> Result<(), GssError> {
        if major & ERROR == 0 {
            return Ok(());
        }
        if REFUSALS.contains(&minor.cast_signed()) {
            return Err(GssError::Refused);
        }
        Err(GssError::Unusable(self.words(minor)))
    }

    /// What the library says about a failure: one line, in its language.
    fn words(&self, status: u32) -> String {
        let mechanism = Oid::of(KERBEROS);
        let (mut minor, mut more, mut text) = (0, 0, Buffer::empty());
        // As above.
        let major = unsafe {
            (self.display_status)(
                &raw mut minor,
                status,
                OF_MECHANISM,
                &raw const mechanism,
                &raw mut more,
                &raw mut text,
            )
        };
        let said = self.take(&mut text);
        if major & ERROR != 0 || said.is_empty() {
            return format!("Kerberos error {}", status.cast_signed());
        }
        crate::http::printable(&said)
    }

    /// A copy of what the library gave, which is released.
    fn take(&self, buffer: &mut Buffer) -> Vec<u8> {
        if buffer.value.is_null() {
            return Vec::new();
        }
        // It holds so many bytes, until it is released here.
        let copy = unsafe { std::slice::from_raw_parts(buffer.value.cast::<u8>(), buffer.length) }
            .to_vec();
        let mut minor = 0;
        let _ = unsafe { (self.release_buffer)(&raw mut minor, buffer) };
        copy
    }
}

/// The library, once it was found; one that is installed later is found then.
fn gss() -> Result<&'static Gss, GssError> {
    static LOADED: OnceLock<Gss> = OnceLock::new();
    if let Some(gss) = LOADED.get() {
        return Ok(gss);
    }
    let gss = Gss::load().map_err(|_| {
        GssError::Unusable(format!("this machine has no Kerberos library ({LIBRARY})"))
    })?;
    Ok(LOADED.get_or_init(|| gss))
}
