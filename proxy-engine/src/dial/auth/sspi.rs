//! Kerberos as Windows has it: its SSPI, with the tickets of the user who is logged in, or those that the
//! domain gives for a password.
//!
//! `unsafe`, because it is a C interface. Every call is made here, and everything it gives is copied
//! and released at once.
#![allow(unsafe_code, reason = "Windows' Kerberos is a C interface")]

use std::ffi::c_void;
use std::ptr::null;

use windows_sys::Win32::Foundation::{
    SEC_E_LOGON_DENIED, SEC_E_OK, SEC_I_COMPLETE_AND_CONTINUE, SEC_I_COMPLETE_NEEDED,
    SEC_I_CONTINUE_NEEDED,
};
use windows_sys::Win32::Security::Authentication::Identity::{
    AcquireCredentialsHandleW, DeleteSecurityContext, FreeContextBuffer, FreeCredentialsHandle,
    InitializeSecurityContextW, QueryCredentialsAttributesW, SECBUFFER_TOKEN, SECBUFFER_VERSION,
    SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_OUTBOUND, SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc,
    SecPkgCredentials_NamesW,
};
use windows_sys::Win32::Security::Credentials::SecHandle;
use windows_sys::Win32::System::Rpc::{SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W};

use super::tickets::{GssError, Ticket};

/// The package: tickets alone. NTLM as the logged-in user needs more than one message, and stands
/// beside this.
const PACKAGE: &str = "Kerberos";
/// A ticket of Windows' has 48,000 bytes at most by default, and 65,535 however it is set.
const LONGEST: usize = 64 << 10;
/// From 1601, where Windows counts from, to 1970, in seconds.
const TO_1970: u64 = 11_644_473_600;

/// What a user proves who they are with.
pub(super) struct Cred {
    handle: SecHandle,
    until: u64,
}

// SAFETY: a credentials handle is a number of the security provider's, which takes it from any
// thread; it is used by one at a time.
unsafe impl Send for Cred {}
// SAFETY: as above: the calls through a shared one read it alone.
unsafe impl Sync for Cred {}

impl std::fmt::Debug for Cred {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cred")
    }
}

impl Drop for Cred {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and released once.
        unsafe { FreeCredentialsHandle(&raw const self.handle) };
    }
}

impl Cred {
    /// The user who is logged in.
    ///
    /// # Errors
    /// [`GssError::Unusable`].
    pub(super) fn of_tickets() -> Result<Self, GssError> {
        Self::acquire(PACKAGE, null())
    }

    /// The same, as NTLM has it.
    ///
    /// # Errors
    /// [`GssError::Unusable`].
    pub(super) fn of_user() -> Result<Self, GssError> {
        Self::acquire("NTLM", null())
    }

    /// As the provider knows it.
    pub(super) fn handle(&self) -> *const SecHandle {
        &raw const self.handle
    }

    /// A user's password, for which the domain gives a ticket when one is needed. It stays in memory.
    ///
    /// # Errors
    /// See [`GssError`].
    pub(super) fn of_password(user: &str, password: &str) -> Result<Self, GssError> {
        let (user, domain) = user.rsplit_once('@').unwrap_or((user, ""));
        let (mut user, mut domain) = (wide(user), wide(domain));
        let mut password = wide(password);
        let length = |text: &[u16]| u32::try_from(text.len() - 1).unwrap_or(0);
        let identity = SEC_WINNT_AUTH_IDENTITY_W {
            User: user.as_mut_ptr(),
            UserLength: length(&user),
            Domain: domain.as_mut_ptr(),
            DomainLength: length(&domain),
            Password: password.as_mut_ptr(),
            PasswordLength: length(&password),
            Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        };
        let made = Self::acquire(PACKAGE, (&raw const identity).cast());
        password.fill(0);
        made
    }

    fn acquire(package: &str, identity: *const c_void) -> Result<Self, GssError> {
        let package = wide(package);
        let mut handle = SecHandle::default();
        let mut until = 0_i64;
        // SAFETY: every pointer is valid for the call, or null where it may be.
        let status = unsafe {
            AcquireCredentialsHandleW(
                null(),
                package.as_ptr(),
                SECPKG_CRED_OUTBOUND,
                null(),
                identity,
                None,
                null(),
                &raw mut handle,
                &raw mut until,
            )
        };
        check(status)?;
        let seconds = u64::try_from(until / 10_000_000).unwrap_or(u64::MAX);
        Ok(Self {
            handle,
            until: seconds.saturating_sub(TO_1970),
        })
    }

    /// Which ticket it is; none where that is not known: a token then says why.
    pub(super) fn ticket(&self) -> Ticket {
        let mut names = SecPkgCredentials_NamesW::default();
        // SAFETY: this attribute is answered with this structure.
        let status = unsafe {
            QueryCredentialsAttributesW(
                &raw const self.handle,
                SECPKG_CRED_ATTR_NAMES,
                (&raw mut names).cast(),
            )
        };
        if status != SEC_E_OK || names.sUserName.is_null() {
            return Ticket::default();
        }
        // SAFETY: it is a text that ends with NUL, and is released once.
        let user = unsafe {
            let length = (0..LONGEST)
                .take_while(|at| *names.sUserName.add(*at) != 0)
                .count();
            let text = std::slice::from_raw_parts(names.sUserName, length);
            let text = String::from_utf16_lossy(text);
            FreeContextBuffer(names.sUserName.cast());
            text
        };
        Ticket {
            user,
            until: self.until,
        }
    }

    /// A Kerberos token for the service `HTTP` on this host. It may take the domain's time.
    ///
    /// # Errors
    /// See [`GssError`].
    pub(super) fn token(&self, host: &str) -> Result<Vec<u8>, GssError> {
        let target = wide(&format!("HTTP/{host}"));
        let mut made = vec![0_u8; LONGEST];
        let mut buffer = SecBuffer {
            cbBuffer: u32::try_from(made.len()).unwrap_or(0),
            BufferType: SECBUFFER_TOKEN,
            pvBuffer: made.as_mut_ptr().cast(),
        };
        let mut buffers = SecBufferDesc {
            ulVersion: SECBUFFER_VERSION,
            cBuffers: 1,
            pBuffers: &raw mut buffer,
        };
        let mut context = SecHandle::default();
        let (mut attributes, mut until) = (0, 0_i64);
        // SAFETY: every pointer is valid for the call, or null where it may be; no more is written
        // than there is room for.
        let status = unsafe {
            InitializeSecurityContextW(
                &raw const self.handle,
                null(),
                target.as_ptr(),
                0,
                0,
                SECURITY_NATIVE_DREP,
                null(),
                0,
                &raw mut context,
                &raw mut buffers,
                &raw mut attributes,
                &raw mut until,
            )
        };
        let begun = [
            SEC_E_OK,
            SEC_I_CONTINUE_NEEDED,
            SEC_I_COMPLETE_NEEDED,
            SEC_I_COMPLETE_AND_CONTINUE,
        ];
        if !begun.contains(&status) {
            check(status)?;
        }
        // SAFETY: it is the provider's, and released once. One token is all that is said.
        unsafe { DeleteSecurityContext(&raw const context) };
        made.truncate(usize::try_from(buffer.cbBuffer).unwrap_or(0));
        if made.is_empty() {
            return Err(GssError::Unusable("Windows gave an empty ticket".into()));
        }
        Ok(made)
    }
}

pub(super) fn check(status: i32) -> Result<(), GssError> {
    match status {
        SEC_E_OK => Ok(()),
        SEC_E_LOGON_DENIED => Err(GssError::Refused),
        other => {
            // Its words are in the machine's language: the number is what is looked for.
            let why = format!("Windows gives no ticket (error 0x{other:08X})");
            Err(GssError::Unusable(why))
        }
    }
}

/// As Windows takes text.
pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
