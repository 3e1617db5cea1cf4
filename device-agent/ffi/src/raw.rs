//! Memory of the caller: the only place where it is touched.
//!
//! What can be checked is: null, alignment, and that a length does not wrap around. What cannot,
//! that the memory is there, readable or writable, and not changed meanwhile, is what the header
//! asks of the caller; every function here passes it on as its safety condition.

use core::ffi::c_char;
use core::{ptr, slice, str};

use crate::types::fg_slice;

/// No object is longer (RFC of the language: `isize::MAX` bytes).
const MAX_LEN: usize = isize::MAX as usize;

fn is_sound<T>(pointer: *const T) -> bool {
    !pointer.is_null() && pointer.is_aligned()
}

fn is_list<T>(pointer: *const T, len: usize) -> bool {
    let bytes = len.checked_mul(size_of::<T>());
    is_sound(pointer)
        && bytes
            .is_some_and(|bytes| bytes <= MAX_LEN && pointer.addr().checked_add(bytes).is_some())
}

/// What the pointer leads to, if it is sound.
///
/// # Safety
/// A pointer that is neither null nor misaligned leads to a `T` that nobody changes during `'a`.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: it is not null and aligned; the rest is the caller's.
    is_sound(pointer).then(|| unsafe { &*pointer })
}

/// A list; null is an empty one if its length is 0.
///
/// # Safety
/// A sound pointer leads to `len` values that nobody changes during `'a`.
pub(crate) unsafe fn list<'a, T>(pointer: *const T, len: usize) -> Option<&'a [T]> {
    if len == 0 {
        return Some(&[]);
    }
    // SAFETY: it is not null, aligned, and does not wrap around; the rest is the caller's.
    is_list(pointer, len).then(|| unsafe { slice::from_raw_parts(pointer, len) })
}

/// A buffer to write to; null is an empty one if its length is 0.
///
/// # Safety
/// A sound pointer leads to `len` bytes that nobody else reads or changes during `'a`, and that
/// have been written at some time.
pub(crate) unsafe fn buffer<'a>(pointer: *mut u8, len: usize) -> Option<&'a mut [u8]> {
    if len == 0 {
        return Some(&mut []);
    }
    // SAFETY: it is not null and does not wrap around; the rest is the caller's.
    is_list(pointer, len).then(|| unsafe { slice::from_raw_parts_mut(pointer, len) })
}

/// The bytes of a slice.
///
/// # Safety
/// As for [`list`].
pub(crate) unsafe fn bytes<'a>(slice: &fg_slice) -> Option<&'a [u8]> {
    // SAFETY: passed on.
    unsafe { list(slice.data, slice.len) }
}

/// An array of fixed length.
///
/// # Safety
/// A pointer that is not null leads to `N` bytes that nobody changes meanwhile.
pub(crate) unsafe fn array<const N: usize>(pointer: *const u8) -> Option<[u8; N]> {
    // SAFETY: bytes need no alignment; the rest is the caller's.
    (!pointer.is_null()).then(|| unsafe { pointer.cast::<[u8; N]>().read() })
}

/// A text that ends with a zero byte, of at most `max` bytes and in UTF-8. No byte behind the zero
/// or behind `max` others is read.
///
/// # Safety
/// A pointer that is not null leads to a zero byte or `max + 1` others, unchanged during `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, max: usize) -> Option<&'a str> {
    let first = pointer.cast::<u8>();
    if first.is_null() {
        return None;
    }
    let mut len = 0;
    loop {
        // SAFETY: no byte before was zero, and `len` is at most `max`.
        let byte = unsafe { first.add(len) };
        // SAFETY: as above.
        if unsafe { byte.read() } == 0 {
            break;
        }
        len += 1;
        if len > max {
            return None;
        }
    }
    // SAFETY: these bytes were just read.
    str::from_utf8(unsafe { slice::from_raw_parts(first, len) }).ok()
}

/// Whether something can be written there.
pub(crate) fn is_place<T>(place: *mut T) -> bool {
    is_sound(place)
}

/// Whether something can be written to each of so many places; none is always there.
pub(crate) fn are_places<T>(places: *mut T, len: usize) -> bool {
    len == 0 || is_list(places, len)
}

/// Writes to a place, if it is sound; says whether.
///
/// # Safety
/// A sound pointer leads to memory of a `T` that nobody else uses meanwhile.
pub(crate) unsafe fn put<T>(place: *mut T, value: T) -> bool {
    let is_sound = is_place(place);
    if is_sound {
        // SAFETY: it is not null and aligned; the rest is the caller's. What was there is no value
        // of ours and is not dropped.
        unsafe { ptr::write(place, value) };
    }
    is_sound
}

/// Whether two ranges of memory have a byte in common.
pub(crate) fn overlap(a: (*const u8, usize), b: (*const u8, usize)) -> bool {
    let end = |(pointer, len): (*const u8, usize)| pointer.addr().saturating_add(len);
    a.1 > 0 && b.1 > 0 && a.0.addr() < end(b) && b.0.addr() < end(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_null_misaligned_or_impossibly_long_is_refused() {
        let words = [7_u32, 8];
        let odd = words.as_ptr().cast::<u8>().wrapping_add(1).cast::<u32>();
        // SAFETY: the refused pointers are never followed, the others lead to `words`.
        unsafe {
            assert_eq!(reference(words.as_ptr()), Some(&7));
            assert_eq!(reference::<u32>(ptr::null()), None);
            assert_eq!(reference(odd), None);
            assert_eq!(list(words.as_ptr(), 2), Some(&words[..]));
            assert_eq!(list::<u32>(ptr::null(), 0), Some(&[][..]));
            assert_eq!(list::<u32>(ptr::null(), 1), None);
            assert_eq!(list(odd, 1), None);
            assert_eq!(list(words.as_ptr(), usize::MAX / 2), None);
            assert_eq!(buffer(8 as *mut u8, usize::MAX), None);
            assert!(are_places::<u32>(ptr::null_mut(), 0));
            assert!(!are_places::<u32>(ptr::null_mut(), 1));
            assert!(!are_places(odd.cast_mut(), 1));
            assert!(!are_places(words.as_ptr().cast_mut(), usize::MAX / 2));
        }
    }

    #[test]
    fn a_text_is_read_to_its_zero_and_no_further_than_its_limit() {
        let read = |text: &[u8], max| {
            // SAFETY: every text here ends with a zero or is longer than `max`.
            unsafe { super::text(text.as_ptr().cast(), max) }.map(str::to_owned)
        };
        assert_eq!(read(b"abc\0", 3).as_deref(), Some("abc"));
        assert_eq!(read(b"\0", 0).as_deref(), Some(""));
        assert_eq!(read(b"abc", 2), None, "no zero");
        assert_eq!(read(b"\xff\0", 3), None, "no UTF-8");
        // SAFETY: null is not followed.
        assert_eq!(unsafe { super::text(ptr::null(), 3) }, None);
    }

    #[test]
    fn ranges_that_touch_do_not_overlap() {
        let at = |place: usize| place as *const u8;
        assert!(!overlap((at(10), 5), (at(15), 5)));
        assert!(overlap((at(10), 6), (at(15), 5)));
        assert!(overlap((at(12), 1), (at(10), 5)));
        assert!(!overlap((at(12), 0), (at(10), 5)));
    }
}
