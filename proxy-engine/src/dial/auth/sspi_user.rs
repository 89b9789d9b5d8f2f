//! NTLM as the user who is logged in on Windows: their password never leaves the system.
#![allow(unsafe_code, reason = "Windows' security provider is a C interface")]

use std::ptr::null;

use windows_sys::Win32::Foundation::{SEC_E_OK, SEC_I_CONTINUE_NEEDED};
use windows_sys::Win32::Security::Authentication::Identity::{
    DeleteSecurityContext, InitializeSecurityContextW, SECBUFFER_TOKEN, SECBUFFER_VERSION,
    SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc,
};
use windows_sys::Win32::Security::Credentials::SecHandle;

use super::gss::{Cred, check, wide};
use super::tickets::GssError;

/// Whether users are known to be somebody without a password or ticket of ours.
pub(super) const KNOWN: bool = true;
/// No message of NTLM is longer.
const LONGEST: usize = 16 << 10;

/// A log-in that has begun.
pub(super) struct Handshake {
    cred: Cred,
    context: SecHandle,
    target: Vec<u16>,
}

// SAFETY: a context handle is a number of the security provider's, which takes it from any thread;
// it is used by one at a time.
unsafe impl Send for Handshake {}
// SAFETY: there is no call through a shared one.
unsafe impl Sync for Handshake {}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handshake")
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and released once.
        unsafe { DeleteSecurityContext(&raw const self.context) };
    }
}

/// Begins one, with its first message.
///
/// # Errors
/// [`GssError::Unusable`].
pub(super) fn hello(host: &str) -> Result<(Handshake, Vec<u8>), GssError> {
    let cred = Cred::of_user()?;
    let target = wide(&format!("HTTP/{host}"));
    let mut context = SecHandle::default();
    let message = step(&cred, None, &target, &mut context)?;
    let handshake = Handshake {
        cred,
        context,
        target,
    };
    Ok((handshake, message))
}

impl Handshake {
    /// The last message, which answers the proxy's.
    ///
    /// # Errors
    /// [`GssError::Unusable`].
    pub(super) fn proof(mut self, challenge: &[u8]) -> Result<Vec<u8>, GssError> {
        let context = self.context;
        step(
            &self.cred,
            Some((&context, challenge)),
            &self.target,
            &mut self.context,
        )
    }
}

fn step(
    cred: &Cred,
    before: Option<(&SecHandle, &[u8])>,
    target: &[u16],
    context: &mut SecHandle,
) -> Result<Vec<u8>, GssError> {
    let mut made = vec![0_u8; LONGEST];
    let mut heard = before.map_or_else(Vec::new, |(_, challenge)| challenge.to_vec());
    let mut told = buffer(&mut made);
    let mut input = buffer(&mut heard);
    let mut told = description(&mut told);
    let input = description(&mut input);
    let (mut attributes, mut until) = (0, 0_i64);
    // SAFETY: every pointer is valid for the call, or null where it may be; no more is written than
    // there is room for.
    let status = unsafe {
        InitializeSecurityContextW(
            cred.handle(),
            before.map_or(null(), |(context, _)| &raw const *context),
            target.as_ptr(),
            0,
            0,
            SECURITY_NATIVE_DREP,
            if before.is_some() {
                &raw const input
            } else {
                null()
            },
            0,
            &raw mut *context,
            &raw mut told,
            &raw mut attributes,
            &raw mut until,
        )
    };
    if ![SEC_E_OK, SEC_I_CONTINUE_NEEDED].contains(&status) {
        check(status)?;
    }
    // SAFETY: it is the one buffer that was described above.
    let length = unsafe { (*told.pBuffers).cbBuffer };
    made.truncate(usize::try_from(length).unwrap_or(0));
    if made.is_empty() {
        return Err(GssError::Unusable("Windows gave no message of NTLM".into()));
    }
    Ok(made)
}

fn buffer(bytes: &mut [u8]) -> SecBuffer {
    SecBuffer {
        cbBuffer: u32::try_from(bytes.len()).unwrap_or(0),
        BufferType: SECBUFFER_TOKEN,
        pvBuffer: bytes.as_mut_ptr().cast(),
    }
}

fn description(buffer: &mut SecBuffer) -> SecBufferDesc {
    SecBufferDesc {
        ulVersion: SECBUFFER_VERSION,
        cBuffers: 1,
        pBuffers: &raw mut *buffer,
    }
}
