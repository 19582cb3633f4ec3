//! The library itself: set up once per process, its log handed to `tracing`.
//! Never taken down again: sessions may live until the process ends, and the end of the process is its clean-up.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::OnceLock;

use solace_rs_sys as sys;
use tracing::{error, info, warn};

use super::error::{Failure, text_at};

/// Below this the library writes what it sends, and that could be a password.
const QUIETEST: sys::solClient_log_level_t = sys::solClient_log_level_SOLCLIENT_LOG_NOTICE;

/// Sets the library up, once, and says each time how that went.
pub fn ensure_initialized() -> Result<(), Failure> {
    static DONE: OnceLock<Result<(), Failure>> = OnceLock::new();
    DONE.get_or_init(initialize).clone()
}

fn initialize() -> Result<(), Failure> {
    // SAFETY: a null list of properties means defaults; `OnceLock` lets one thread in.
    Failure::unless_ok(unsafe { sys::solClient_initialize(QUIETEST, ptr::null_mut()) })?;
    // SAFETY: the callback is a function without state and stays valid for ever.
    Failure::unless_ok(unsafe { sys::solClient_log_setCallback(Some(on_log), ptr::null_mut()) })
}

unsafe extern "C" fn on_log(line: sys::solClient_log_callbackInfo_pt, _: *mut c_void) {
    // SAFETY: the library passes a record that is valid during the call.
    let Some(line) = (unsafe { line.as_ref() }) else { return };
    // SAFETY: the text of the record ends with NUL and is valid during the call.
    let text = unsafe { text_at(line.msg_p) };
    // A log line that panics is lost, nothing else.
    let _ = catch_unwind(AssertUnwindSafe(|| hand_on(line.level, text.trim_end())));
}

fn hand_on(level: sys::solClient_log_level_t, text: &str) {
    let client = client_in(text);
    match level {
        sys::solClient_log_level_SOLCLIENT_LOG_EMERGENCY..=sys::solClient_log_level_SOLCLIENT_LOG_ERROR => {
            error!(broker.client = client, library.text = text, "the client library reports an error");
        }
        sys::solClient_log_level_SOLCLIENT_LOG_WARNING => {
            warn!(broker.client = client, library.text = text, "the client library warns");
        }
        _ => info!(broker.client = client, library.text = text, "the client library reports"),
    }
}

/// The name under which the session that the text is about has logged in: which leg or queue it is. Not every text has one.
fn client_in(text: &str) -> Option<&str> {
    let (_, name) = text.split_once("client name '")?;
    name.split_once('\'').map(|(name, _)| name)
}
