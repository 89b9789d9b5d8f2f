//! What lies in this process's memory stays there.

/// Passwords lie in memory, and a core file would keep them on a disk: this process, and those that
/// it starts, leave none. Called first of all.
///
/// The limit is one byte, not none: the kernel starts a program that collects core files in spite
/// of the limit 0, but not of 1 (core(5)).
pub fn leave_no_core_file() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let one = Rlimit {
            current: Some(1),
            maximum: Some(1),
        };
        // A limit may always be lowered; where it is lower already, it stays.
        let _ = setrlimit(Resource::Core, one);
    }
}
