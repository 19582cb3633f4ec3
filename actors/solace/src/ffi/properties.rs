//! A list of properties as the library takes it: key, value, key, value, null.
//! Does not know which properties there are.

use std::ffi::{CString, c_char};
use std::ptr;

use super::error::Failure;

/// Keys of the library with values of ours.
#[derive(Default)]
pub struct Properties(Vec<(&'static [u8], CString)>);

// === impl Properties ===

impl Properties {
    /// Adds one; fails when the value holds a NUL.
    pub fn set(&mut self, key: &'static [u8], value: impl Into<Vec<u8>>) -> Result<(), Failure> {
        // The value may be a password and stays out of the text.
        let value = CString::new(value).map_err(|_| Failure::of(0, "a setting of the session holds a NUL byte"))?;
        self.0.push((key, value));
        Ok(())
    }

    /// Adds one that is on or off.
    pub fn switch(&mut self, key: &'static [u8], on: bool) -> Result<(), Failure> {
        self.set(key, if on { "1" } else { "0" })
    }

    /// Lends the list, which ends with null, to one call of the library; that copies it.
    pub fn lend<R>(self, call: impl FnOnce(*mut *const c_char) -> R) -> R {
        let pairs = self.0.iter().flat_map(|(key, value)| [constant(key), value.as_ptr()]);
        let mut list: Vec<*const c_char> = pairs.chain([ptr::null()]).collect();
        call(list.as_mut_ptr())
    }
}

/// A constant of the library as its functions want it.
pub fn constant(text: &'static [u8]) -> *const c_char {
    debug_assert!(text.ends_with(&[0]), "constants of the library end with NUL");
    text.as_ptr().cast()
}
