//! A context of the library: the thread on which the callbacks of one session run.
//! One per session, so that a callback of one never waits for another's, and each ends with its session.

use std::ptr;

use solace_rs_sys as sys;

use super::error::Failure;
use super::library::ensure_initialized;
use super::properties::constant;

/// Owns a context and its thread.
#[derive(Debug)]
pub struct Context(sys::solClient_opaqueContext_pt);

// SAFETY: the pointer is a checked handle, which the library allows on any thread; nothing here depends on the thread.
unsafe impl Send for Context {}
// SAFETY: as above; a shared reference offers nothing but the handle's value.
unsafe impl Sync for Context {}

// === impl Context ===

impl Context {
    /// Starts the context's thread.
    pub fn new() -> Result<Self, Failure> {
        ensure_initialized()?;
        let mut properties = [
            constant(sys::SOLCLIENT_CONTEXT_PROP_CREATE_THREAD),
            constant(sys::SOLCLIENT_PROP_ENABLE_VAL),
            ptr::null(),
        ];
        // None: they are for contexts whose thread is the application's.
        let callbacks_for_files = sys::solClient_context_createRegisterFdFuncInfo {
            regFdFunc_p: None,
            unregFdFunc_p: None,
            user_p: ptr::null_mut(),
        };
        let mut callbacks = sys::solClient_context_createFuncInfo { regFdInfo: callbacks_for_files };
        let mut raw = ptr::null_mut();
        let (list, size) = (properties.as_mut_ptr(), size_of_val(&callbacks));
        // SAFETY: the list ends with null and is copied during the call, as are the callbacks, whose size is told.
        let code = unsafe { sys::solClient_context_create(list, &raw mut raw, &raw mut callbacks, size) };
        Failure::unless_ok(code).map(|()| Self(raw))
    }

    pub(super) const fn raw(&self) -> sys::solClient_opaqueContext_pt {
        self.0
    }
}

impl Drop for Context {
    /// Waits for the context's thread: never drop it in a callback.
    fn drop(&mut self) {
        // SAFETY: created by `new`, owned by this value alone and destroyed once, here.
        unsafe { sys::solClient_context_destroy(&raw mut self.0) };
    }
}
