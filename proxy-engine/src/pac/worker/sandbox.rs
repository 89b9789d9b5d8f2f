//! The worker gives up everything that it does not need to think.
#![allow(
    unsafe_code,
    reason = "a system call filter is a list of kernel structures that prctl(2) is given by pointer"
)]

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Memory beyond what the program has at its start: the script's 32 MiB, and what lies around them.
const MORE_MEMORY: u64 = 64 << 20;

/// System calls that are left: reading and writing what is open, memory, the clock, the end.
const ALLOWED: [libc::c_long; 19] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Shuts this process in, for good, and tries whether it is. It must have one thread, and have
/// opened what it needs.
///
/// # Errors
/// When it is not shut in; the process must end then.
pub(super) fn confine() -> io::Result<()> {
    // What was inherited by mistake is not the script's.
    // SAFETY: plain numbers. Nothing of this program's own is open beyond the standard streams.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) } != 0 {
        close_each()?;
    }
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm
        .split(' ')
        .next()
        .and_then(|pages| pages.parse().ok())
        .ok_or_else(|| io::Error::other("the size of this process is not known"))?;
    let memory = pages * rustix::param::page_size() as u64 + MORE_MEMORY;
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, 0),
        (Resource::Nproc, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    crate::intercept::give_up_capabilities()?;
    // Nobody of the same user looks into it.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    filter()?;
    prove()
}

/// Before Linux 5.9.
fn close_each() -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // SAFETY: nothing of this program's own is open there. The folder's own is closed already.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Whatever is not allowed fails with `EPERM`.
fn filter() -> io::Result<()> {
    let program = program();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `program` and the list that it points at live until prctl(2) has copied them.
    let done = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The filter, in the kernel's words (seccomp(2)).
fn program() -> Vec<libc::sock_filter> {
    // Where `struct seccomp_data` has the number of the call, the architecture, and the low half of
    // the third argument.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const THIRD: u32 = 16 + 2 * 8;
    #[cfg(target_arch = "x86_64")]
    const THIS_ARCHITECTURE: u32 = 0xC000_003E;
    #[cfg(target_arch = "aarch64")]
    const THIS_ARCHITECTURE: u32 = 0xC000_00B7;
    #[cfg(target_arch = "riscv64")]
    const THIS_ARCHITECTURE: u32 = 0xC000_00F3;
    let word = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        // They are small.
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt,
        jf,
        k,
    };
    let load = |offset| word(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let equal = |k, jt, jf| word(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
    let give = |k| word(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let refused = || give(libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs());
    let mut program = vec![
        load(ARCHITECTURE),
        equal(THIS_ARCHITECTURE, 1, 0),
        give(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    for call in ALLOWED {
        program.extend([equal(number(call), 0, 1), give(libc::SECCOMP_RET_ALLOW)]);
    }
    program.extend([
        // Memory, but none that can be run.
        equal(number(libc::SYS_mmap), 0, 4),
        load(THIRD),
        word(
            libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K,
            1,
            0,
            libc::PROT_EXEC.unsigned_abs(),
        ),
        give(libc::SECCOMP_RET_ALLOW),
        refused(),
        refused(),
    ]);
    program
}

/// What must not work does not.
fn prove() -> io::Result<()> {
    let open = std::fs::File::open("/proc/self/status").map(drop);
    // SAFETY: plain numbers; what it gives is a descriptor or an error.
    let socket = |family| match unsafe { libc::socket(family, libc::SOCK_STREAM, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    for (what, tried) in [
        ("open a file", open),
        ("open a socket", socket(libc::AF_INET)),
        ("open a socket", socket(libc::AF_UNIX)),
    ] {
        match tried {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
            Ok(()) | Err(_) => {
                return Err(io::Error::other(format!("it can still {what}")));
            }
        }
    }
    Ok(())
}
