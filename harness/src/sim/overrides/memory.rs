//! What a caller's pointers lead to: addresses, buffers, the values of options.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::sim::kernel::{Errno, Value};

/// As much as a gathered write takes at once.
const GATHERED_BYTES: usize = 64 * 1024;

/// The address at a pointer.
///
/// # Safety
/// The pointer is null or leads to `length` bytes.
pub(super) unsafe fn address(at: *const libc::sockaddr, length: libc::socklen_t) -> Result<SocketAddr, Errno> {
    let length = length as usize;
    if at.is_null() || length < size_of::<libc::sockaddr_in>() {
        return Err(Errno::INVALID);
    }
    // SAFETY: there are as many bytes as an IPv4 address has, and every family has its number there.
    let family = unsafe { at.cast::<libc::sa_family_t>().read_unaligned() };
    match c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: there are as many bytes.
            let v4 = unsafe { at.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Ok(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: there are as many bytes.
            let v6 = unsafe { at.cast::<libc::sockaddr_in6>().read_unaligned() };
            Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)), u16::from_be(v6.sin6_port)))
        }
        libc::AF_INET6 => Err(Errno::INVALID),
        _ => Err(Errno::OTHER_FAMILY),
    }
}

/// Puts an address at a pointer, as much of it as there is room for, and its whole length at another.
///
/// # Safety
/// Either pointer is null, or they lead to a length and to as many bytes.
pub(super) unsafe fn put_address(address: SocketAddr, at: *mut libc::sockaddr, length: *mut libc::socklen_t) {
    if at.is_null() || length.is_null() {
        return;
    }
    // SAFETY: the caller's.
    let room = unsafe { *length } as usize;
    let size = match address {
        SocketAddr::V4(v4) => {
            // SAFETY: zeroes are a valid address.
            let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            raw.sin_family = libc::AF_INET as _;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            // SAFETY: there is room for as many bytes.
            unsafe {
                std::ptr::copy_nonoverlapping((&raw const raw).cast::<u8>(), at.cast(), size_of_val(&raw).min(room))
            };
            size_of_val(&raw)
        }
        SocketAddr::V6(v6) => {
            // SAFETY: zeroes are a valid address.
            let mut raw: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            raw.sin6_family = libc::AF_INET6 as _;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            // SAFETY: there is room for as many bytes.
            unsafe {
                std::ptr::copy_nonoverlapping((&raw const raw).cast::<u8>(), at.cast(), size_of_val(&raw).min(room))
            };
            size_of_val(&raw)
        }
    };
    // SAFETY: the caller's.
    unsafe { *length = size as libc::socklen_t };
}

/// A buffer to be read into.
///
/// # Safety
/// The pointer is null or leads to `length` bytes, which no other code uses.
pub(super) unsafe fn room<'a>(at: *mut c_void, length: usize) -> &'a mut [MaybeUninit<u8>] {
    if at.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's; what is there need not be initialised.
    unsafe { std::slice::from_raw_parts_mut(at.cast(), length) }
}

/// A buffer to be written from.
///
/// # Safety
/// The pointer is null or leads to `length` bytes.
pub(super) unsafe fn bytes<'a>(at: *const c_void, length: usize) -> &'a [u8] {
    if at.is_null() {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(at.cast(), length) }
}

/// Several buffers.
///
/// # Safety
/// The pointer is null or leads to `count` buffers.
pub(super) unsafe fn pieces<'a>(at: *const libc::iovec, count: usize) -> &'a [libc::iovec] {
    if at.is_null() {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(at, count) }
}

/// What several buffers hold, in one, and whether that is all of it.
///
/// # Safety
/// Each of them leads to its bytes.
pub(super) unsafe fn gather(pieces: &[libc::iovec]) -> (Vec<u8>, bool) {
    let whole: usize = pieces.iter().map(|piece| piece.iov_len).sum();
    let mut joined = Vec::with_capacity(whole.min(GATHERED_BYTES));
    for piece in pieces {
        let n = piece.iov_len.min(GATHERED_BYTES - joined.len());
        // SAFETY: the caller's.
        joined.extend_from_slice(unsafe { bytes(piece.iov_base, n) });
    }
    let is_all = joined.len() == whole;
    (joined, is_all)
}

/// The value of an option.
///
/// # Safety
/// The pointer is null or leads to `length` bytes.
pub(super) unsafe fn value(
    level: c_int,
    name: c_int,
    at: *const c_void,
    length: libc::socklen_t,
) -> Result<Value, Errno> {
    let length = length as usize;
    if at.is_null() || length < size_of::<c_int>() {
        return Err(Errno::INVALID);
    }
    if (level, name) != (libc::SOL_SOCKET, libc::SO_LINGER) {
        // SAFETY: there are as many bytes.
        return Ok(Value::Number(unsafe { at.cast::<c_int>().read_unaligned() }));
    }
    if length < size_of::<libc::linger>() {
        return Err(Errno::INVALID);
    }
    // SAFETY: there are as many bytes.
    let linger = unsafe { at.cast::<libc::linger>().read_unaligned() };
    let seconds = u64::try_from(linger.l_linger).unwrap_or(0);
    Ok(Value::Linger((linger.l_onoff != 0).then(|| Duration::from_secs(seconds))))
}

/// Puts an option's value at a pointer, and its length at another.
///
/// # Safety
/// Either pointer is null, or they lead to a length and to as many bytes.
pub(super) unsafe fn put_value(value: Value, at: *mut c_void, length: *mut libc::socklen_t) -> Result<c_int, Errno> {
    if at.is_null() || length.is_null() {
        return Err(Errno::INVALID);
    }
    // SAFETY: the caller's.
    let room = unsafe { *length } as usize;
    let put = |from: *const u8, size: usize| {
        let n = size.min(room);
        // SAFETY: there is room for as many bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(from, at.cast(), n);
            *length = n as libc::socklen_t;
        }
    };
    match value {
        Value::Number(number) => put((&raw const number).cast(), size_of_val(&number)),
        Value::Linger(time) => {
            let seconds = time.map_or(0, |time| time.as_secs() as c_int);
            let linger = libc::linger { l_onoff: time.is_some().into(), l_linger: seconds };
            put((&raw const linger).cast(), size_of_val(&linger));
        }
    }
    Ok(0)
}
