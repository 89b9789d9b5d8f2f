//! The functions of the system's GSS-API library, found when they are first needed.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;

use libloading::{Library, Symbol};

use super::{GssError, KERBEROS};

/// The library of MIT Kerberos, as every distribution calls it.
const LIBRARY: &str = "libgssapi_krb5.so.2";

/// In the high 16 bits of a status: it failed (RFC 2744, section 3.9.1).
pub(super) const ERROR: u32 = 0xffff_0000;
const OF_MECHANISM: c_int = 2;

/// `KRB5KDC_ERR_…` and `KRB5KRB_AP_ERR_…` by which a KDC says that a password is wrong, or its user
/// locked out (RFC 4120, section 7.5.9: 18, 23, 24, 31), as the library numbers them.
const REFUSALS: [i32; 4] = [
    -1_765_328_366,
    -1_765_328_361,
    -1_765_328_360,
    -1_765_328_353,
];

#[repr(C)]
pub(super) struct Buffer {
    pub(super) length: usize,
    pub(super) value: *mut c_void,
}

#[repr(C)]
pub(super) struct Oid {
    pub(super) length: u32,
    pub(super) elements: *mut c_void,
}

#[repr(C)]
pub(super) struct OidSet {
    pub(super) count: usize,
    pub(super) elements: *mut Oid,
}

impl Buffer {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len(),
            value: bytes.as_ptr().cast_mut().cast(),
        }
    }

    pub(super) fn empty() -> Self {
        Self {
            length: 0,
            value: null_mut(),
        }
    }
}

impl Oid {
    pub(super) fn of(bytes: &'static [u8]) -> Self {
        Self {
            length: u32::try_from(bytes.len()).expect("some bytes"),
            elements: bytes.as_ptr().cast_mut().cast(),
        }
    }
}

pub(super) type Handle = *mut c_void;
pub(super) type Release = unsafe extern "C" fn(*mut u32, *mut Handle) -> u32;

/// The functions that are used.
pub(super) struct Gss {
    pub(super) import_name:
        unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut Handle) -> u32,
    pub(super) release_name: Release,
    pub(super) acquire_cred: unsafe extern "C" fn(
        *mut u32,
        Handle,
        u32,
        *const OidSet,
        c_int,
        *mut Handle,
        *mut *mut OidSet,
        *mut u32,
    ) -> u32,
    pub(super) acquire_cred_with_password: unsafe extern "C" fn(
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
    pub(super) release_cred: Release,
    pub(super) inquire_cred: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *mut Handle,
        *mut u32,
        *mut c_int,
        *mut *mut OidSet,
    ) -> u32,
    pub(super) display_name:
        unsafe extern "C" fn(*mut u32, Handle, *mut Buffer, *mut *mut Oid) -> u32,
    pub(super) init_sec_context: unsafe extern "C" fn(
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
    pub(super) delete_sec_context: unsafe extern "C" fn(*mut u32, *mut Handle, *mut Buffer) -> u32,
    pub(super) release_buffer: unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32,
    pub(super) display_status:
        unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32,
    /// Last: the functions are gone with it.
    _library: Library,
}

/// Something of the library's, released when it goes.
pub(super) struct Owned {
    pub(super) handle: Handle,
    pub(super) release: Release,
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

    pub(super) fn name(&self, name: &str, kind: &'static [u8]) -> Result<Owned, GssError> {
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
    pub(super) fn owned(&self, handle: Handle, release: Release) -> Owned {
        Owned { handle, release }
    }

    pub(super) fn check(&self, major: u32, minor: u32) -> Result<(), GssError> {
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
    pub(super) fn take(&self, buffer: &mut Buffer) -> Vec<u8> {
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
pub(super) fn gss() -> Result<&'static Gss, GssError> {
    static LOADED: OnceLock<Gss> = OnceLock::new();
    if let Some(gss) = LOADED.get() {
        return Ok(gss);
    }
    let gss = Gss::load().map_err(|_| {
        GssError::Unusable(format!("this machine has no Kerberos library ({LIBRARY})"))
    })?;
    Ok(LOADED.get_or_init(|| gss))
}
