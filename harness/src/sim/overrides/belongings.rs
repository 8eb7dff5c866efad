//! What belongs to the whole process, and so to every run in it: its environment, its working directory, its program, its
//! alarms, the mask of the files that it makes, its limits.

use std::ffi::{CStr, c_char, c_int, c_uint};

use super::{SHARED, next_of};

const ENVIRONMENT_REMEDY: &str =
    "the environment is the whole process's: give the service what it needs in its `config`";
const FOLDER_REMEDY: &str = "the working directory is the whole process's: give the service whole paths";
const PROGRAM_REMEDY: &str = "there would be no run any more: put what the program does behind a trait";

const ALARM_REMEDY: &str = "an alarm rings by the real clock, in whichever run goes on by then: use tokio::time";
const MASK_REMEDY: &str = "the mask is the whole process's: set the mode of the file itself";
const LIMIT_REMEDY: &str = "limits are the whole process's: give the service its bounds in its `config`";

/// A NUL-terminated string as it is printed.
unsafe fn word(string: *const c_char) -> String {
    if string.is_null() {
        return "nothing".to_owned();
    }
    // SAFETY: the caller passes a NUL-terminated string.
    format!("{:?}", unsafe { CStr::from_ptr(string) }.to_string_lossy())
}

/// Tells of a change of the environment that is not made. It is no error of the call: std would panic.
fn unchanged(call: &str) -> c_int {
    if let Some(shared) = SHARED.get() {
        shared.stray(call, ENVIRONMENT_REMEDY);
    }
    0
}

fn refused(call: &str, remedy: &str) -> c_int {
    if let Some(shared) = SHARED.get() {
        shared.stray(call, remedy);
    }
    // SAFETY: errno's address is valid for this thread.
    unsafe { *libc::__errno_location() = libc::EACCES };
    -1
}

/// # Safety
/// As `setenv(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn setenv(name: *const c_char, value: *const c_char, overwrite: c_int) -> c_int {
    if SHARED.get().is_some() {
        // SAFETY: the contract is the caller's.
        return unchanged(&format!("setenv({})", unsafe { word(name) }));
    }
    type Signature = unsafe extern "C" fn(*const c_char, *const c_char, c_int) -> c_int;
    // SAFETY: libc's `setenv` has this signature; the contract is the caller's.
    unsafe { next_of!(c"setenv", Signature)(name, value, overwrite) }
}

/// # Safety
/// As `unsetenv(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn unsetenv(name: *const c_char) -> c_int {
    if SHARED.get().is_some() {
        // SAFETY: the contract is the caller's.
        return unchanged(&format!("unsetenv({})", unsafe { word(name) }));
    }
    type Signature = unsafe extern "C" fn(*const c_char) -> c_int;
    // SAFETY: libc's `unsetenv` has this signature; the contract is the caller's.
    unsafe { next_of!(c"unsetenv", Signature)(name) }
}

/// # Safety
/// As `putenv(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn putenv(pair: *mut c_char) -> c_int {
    if SHARED.get().is_some() {
        // SAFETY: the contract is the caller's.
        return unchanged(&format!("putenv({})", unsafe { word(pair) }));
    }
    type Signature = unsafe extern "C" fn(*mut c_char) -> c_int;
    // SAFETY: libc's `putenv` has this signature; the contract is the caller's.
    unsafe { next_of!(c"putenv", Signature)(pair) }
}

/// # Safety
/// As `chdir(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn chdir(path: *const c_char) -> c_int {
    if SHARED.get().is_some() {
        // SAFETY: the contract is the caller's.
        return refused(&format!("chdir({})", unsafe { word(path) }), FOLDER_REMEDY);
    }
    type Signature = unsafe extern "C" fn(*const c_char) -> c_int;
    // SAFETY: libc's `chdir` has this signature; the contract is the caller's.
    unsafe { next_of!(c"chdir", Signature)(path) }
}

/// # Safety
/// As `fchdir(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fchdir(folder: c_int) -> c_int {
    if SHARED.get().is_some() {
        return refused("fchdir", FOLDER_REMEDY);
    }
    type Signature = unsafe extern "C" fn(c_int) -> c_int;
    // SAFETY: libc's `fchdir` has this signature.
    unsafe { next_of!(c"fchdir", Signature)(folder) }
}

/// # Safety
/// As `execvp(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn execvp(program: *const c_char, arguments: *const *const c_char) -> c_int {
    if SHARED.get().is_some() {
        // SAFETY: the contract is the caller's.
        return refused(&format!("exec({})", unsafe { word(program) }), PROGRAM_REMEDY);
    }
    type Signature = unsafe extern "C" fn(*const c_char, *const *const c_char) -> c_int;
    // SAFETY: libc's `execvp` has this signature; the contract is the caller's.
    unsafe { next_of!(c"execvp", Signature)(program, arguments) }
}

/// # Safety
/// As `execve(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn execve(
    program: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    if SHARED.get().is_some() {
        // SAFETY: the contract is the caller's.
        return refused(&format!("exec({})", unsafe { word(program) }), PROGRAM_REMEDY);
    }
    type Signature = unsafe extern "C" fn(*const c_char, *const *const c_char, *const *const c_char) -> c_int;
    // SAFETY: libc's `execve` has this signature; the contract is the caller's.
    unsafe { next_of!(c"execve", Signature)(program, arguments, environment) }
}

/// # Safety
/// As `alarm(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn alarm(seconds: c_uint) -> c_uint {
    if let Some(shared) = SHARED.get() {
        shared.stray("alarm", ALARM_REMEDY);
        return 0;
    }
    type Signature = unsafe extern "C" fn(c_uint) -> c_uint;
    // SAFETY: libc's `alarm` has this signature.
    unsafe { next_of!(c"alarm", Signature)(seconds) }
}

/// # Safety
/// As `setitimer(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn setitimer(which: c_int, new: *const libc::itimerval, old: *mut libc::itimerval) -> c_int {
    if SHARED.get().is_some() {
        return refused("setitimer", ALARM_REMEDY);
    }
    type Signature = unsafe extern "C" fn(c_int, *const libc::itimerval, *mut libc::itimerval) -> c_int;
    // SAFETY: libc's `setitimer` has this signature; the contract is the caller's.
    unsafe { next_of!(c"setitimer", Signature)(which, new, old) }
}

/// # Safety
/// As `umask(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn umask(mask: libc::mode_t) -> libc::mode_t {
    if let Some(shared) = SHARED.get() {
        shared.stray("umask", MASK_REMEDY);
        return 0o022;
    }
    type Signature = unsafe extern "C" fn(libc::mode_t) -> libc::mode_t;
    // SAFETY: libc's `umask` has this signature.
    unsafe { next_of!(c"umask", Signature)(mask) }
}

/// # Safety
/// As `setrlimit(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn setrlimit(resource: libc::__rlimit_resource_t, limit: *const libc::rlimit) -> c_int {
    if SHARED.get().is_some() {
        return refused("setrlimit", LIMIT_REMEDY);
    }
    type Signature = unsafe extern "C" fn(libc::__rlimit_resource_t, *const libc::rlimit) -> c_int;
    // SAFETY: libc's `setrlimit` has this signature; the contract is the caller's.
    unsafe { next_of!(c"setrlimit", Signature)(resource, limit) }
}
