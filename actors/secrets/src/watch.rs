//! Tells when the secrets file may have changed.
//! Watches the directory, because a file that is replaced by rename is another file; misses nothing that polling would not find.

use std::ffi::OsString;
use std::path::Path;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::file::directory_of;

/// Calls `touched` from the watcher's own thread until the returned watcher is dropped.
pub fn watch(path: &Path, touched: impl Fn() + Send + 'static) -> notify::Result<RecommendedWatcher> {
    let name = path.file_name().map(OsString::from).unwrap_or_default();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error of the watcher may hide a change, so it counts as one.
        if event.is_err() || event.is_ok_and(|seen| concerns(&seen, &name)) {
            touched();
        }
    })?;
    watcher.watch(directory_of(path), RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Our own reading is an access as well and must not cause the next one.
fn concerns(event: &Event, name: &OsString) -> bool {
    let writes = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    writes && (event.need_rescan() || event.paths.iter().any(|path| path.file_name() == Some(name)))
}
