//! What the library says went wrong: return codes and the record that it keeps per thread.
//! Does not judge it; the same subcode is daily work for one caller and an alarm for another.

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use solace_rs_sys as sys;
use tracing::error;

/// One failure in the library's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind, see [`super::subcode`].
    pub subcode: u32,
    /// The broker's code, such as 503; 0 when the broker said nothing.
    pub response_code: u32,
    /// In words.
    pub text: String,
}

/// Says once that a callback panicked; whoever owns the callback must not go on as if nothing was lost.
#[derive(Debug, Default)]
pub struct Poison(AtomicBool);

// === impl Failure ===

impl Failure {
    /// What this thread's last call, or the event whose callback runs on this thread, failed with.
    pub(super) fn last() -> Self {
        // SAFETY: no arguments. The record is the calling thread's own, so no other thread writes while it is read here.
        let record = unsafe { sys::solClient_getLastErrorInfo().as_ref() };
        let Some(record) = record else {
            return Self::of(0, "the client library gives no reason");
        };
        // SAFETY: the library ends the text of its record with a NUL inside of the array.
        let text = unsafe { text_at(record.errorStr.as_ptr()) };
        Self { subcode: record.subCode, response_code: record.responseCode, text }
    }

    /// One that is known without asking.
    pub fn of(subcode: u32, text: &str) -> Self {
        Self { subcode, response_code: 0, text: text.to_owned() }
    }

    /// Fails with this thread's record unless the library said that all is well.
    pub(super) fn unless_ok(code: sys::solClient_returnCode_t) -> Result<(), Self> {
        if code == sys::solClient_returnCode_SOLCLIENT_OK { Ok(()) } else { Err(Self::last()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.response_code {
            0 => write!(f, "{} (subcode {})", self.text, self.subcode),
            code => write!(f, "{} (code {code}, subcode {})", self.text, self.subcode),
        }
    }
}

// === impl Poison ===

impl Poison {
    /// Runs the body of a callback; after a panic the fallback goes back to the library.
    pub(super) fn guard<R>(&self, fallback: R, body: impl FnOnce() -> R) -> R {
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
            self.0.store(true, Ordering::Release);
            report(panic.as_ref());
            fallback
        })
    }

    /// Whether a callback panicked.
    pub fn is_poisoned(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

fn report(panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
    // A subscriber that panics may be what brought us here.
    let _ = catch_unwind(AssertUnwindSafe(|| error!(panic.text = text, "a callback of the client library panicked")));
}

/// The text at a pointer that the library gave; empty where there is none.
///
/// # Safety
/// The pointer is null or points to a text that ends with NUL and does not change during the call.
pub(super) unsafe fn text_at(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null; the rest is the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
