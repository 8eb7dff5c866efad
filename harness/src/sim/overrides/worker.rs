//! What a worker process needs of the system: its ends of the pipes, the page that its supervisor sees, its limits.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use super::beacon::{Beacon, Speaking};

/// How much memory a worker may hold, MiB: far more than any run of a sound service, and little enough for a machine to
/// survive one that takes all it can.
pub(crate) const MEMORY_MIB: u64 = 2048;

/// Where a worker finds its ends: high, so that a service that closes the first hundred descriptors does not close them.
const REQUESTS: RawFd = 800;
const REPLIES: RawFd = 801;
const PAGE: RawFd = 802;

/// A page of memory that a supervisor and its worker both see.
pub(crate) struct Page {
    beacon: *const Beacon,
}

// SAFETY: what the pointer leads to is made of atomics, and stays mapped as long as this lives.
unsafe impl Send for Page {}

impl Page {
    /// A page, and what a worker maps it from.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let file = memory_file()?;
        file.set_len(size_of::<Beacon>() as u64)?;
        let beacon = map(file.as_raw_fd())?;
        Ok((Self { beacon }, file.into()))
    }

    pub(crate) fn clear(&self) {
        self.beacon().clear();
    }

    pub(crate) fn speaking(&self) -> Speaking {
        self.beacon().read()
    }

    fn beacon(&self) -> &Beacon {
        // SAFETY: mapped, aligned to a page, all zeros are a valid beacon, and it is unmapped with `self` only.
        unsafe { &*self.beacon }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, and no other code has its address.
        unsafe { libc::munmap(self.beacon.cast_mut().cast(), size_of::<Beacon>()) };
    }
}

fn map(file: RawFd) -> io::Result<*const Beacon> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, wherever the kernel likes.
    let address =
        unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Beacon>(), protection, libc::MAP_SHARED, file, 0) };
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(address.cast_const().cast()) }
}

/// A file without a name that lives in memory. What is written to it is written at its end, by every writer.
pub(crate) fn memory_file() -> io::Result<File> {
    // SAFETY: the name is a NUL-terminated string.
    let descriptor = unsafe { libc::memfd_create(c"halfopen".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and has no other owner.
    let file = unsafe { File::from_raw_fd(descriptor) };
    // SAFETY: the descriptor is open.
    if unsafe { libc::fcntl(descriptor, libc::F_SETFL, libc::O_APPEND) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// Whether something can be read (an end of file, too) before the time is up.
pub(crate) fn readable(file: impl AsFd, within: Duration) -> bool {
    let mut polled = libc::pollfd { fd: file.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let timeout = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid entry. A signal that interrupts it is a wait cut short, and the caller waits again.
    let ready = unsafe { libc::poll(&raw mut polled, 1, timeout) };
    ready > 0 || (ready < 0 && !within.is_zero())
}

/// Makes a command's process a worker's: it finds its ends where [`become_worker`] looks for them, lies at the same
/// addresses as every other one where the system allows that, ends with the thread that started it, and is not given more
/// than so much memory.
pub(crate) fn prepare_worker(command: &mut Command, requests: OwnedFd, replies: OwnedFd, page: OwnedFd) {
    let prepare = move || {
        for (end, place) in [(&requests, REQUESTS), (&replies, REPLIES), (&page, PAGE)] {
            // SAFETY: both are numbers of descriptors; the copy stays open when the program is executed.
            if unsafe { libc::dup2(end.as_raw_fd(), place) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let memory = libc::rlimit { rlim_cur: MEMORY_MIB << 20, rlim_max: MEMORY_MIB << 20 };
        let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: system calls without memory of ours but the two limits. A system that refuses one of the first three
        // plays all the same: the addresses of two processes then differ, which the comparison of two processes tells.
        unsafe {
            let persona = libc::personality(0xffff_ffff);
            libc::personality(persona as libc::c_ulong | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::setrlimit(libc::RLIMIT_CORE, &raw const nothing);
            if libc::setrlimit(libc::RLIMIT_DATA, &raw const memory) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made, which are async-signal-safe.
    unsafe { command.pre_exec(prepare) };
}

/// Takes a worker's ends, and shows its supervisor who speaks from now on. `None` in a process that is no worker.
pub(crate) fn become_worker() -> Option<(File, File)> {
    for end in [REQUESTS, REPLIES, PAGE] {
        // SAFETY: a number that is no descriptor is an error of the call. Processes that a service starts get none of them.
        if unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return None;
        }
    }
    let beacon = map(PAGE).ok()?;
    // SAFETY: mapped for ever, aligned, and all zeros are a valid beacon.
    Beacon::show(unsafe { &*beacon });
    // SAFETY: open, as was just seen, and without another owner: this is called once, before any run.
    Some(unsafe { (File::from_raw_fd(REQUESTS), File::from_raw_fd(REPLIES)) })
}
