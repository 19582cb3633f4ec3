//! Names under which sessions log in: a broker refuses a second session of the same name.
//! Nobody looks a session up by its name; it tells operators, and readers of the library's log, which leg or queue it is.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// The broker takes no longer name.
const MAX_BYTES: usize = 160;

/// A name that no other session has, such as `tillstream/publish_aggregation/4711/3-91c0f2ab`.
///
/// Each login has its own, because the session that it replaces, or one in the hands of an actor that hangs, may still be
/// there; the random part is for processes that have the same id in different containers.
pub fn client_name(prefix: &str, purpose: &str) -> String {
    static LOGINS: AtomicU64 = AtomicU64::new(0);
    let login = LOGINS.fetch_add(1, Ordering::Relaxed) + 1;
    let tail = format!("/{purpose}/{}/{login}-{:08x}", process::id(), fastrand::u32(..));
    let room = prefix.floor_char_boundary(MAX_BYTES.saturating_sub(tail.len()));
    format!("{}{tail}", &prefix[..room])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_the_same_and_none_is_longer_than_the_broker_takes() {
        let long = "ä".repeat(200);

        let names = [client_name("till", "publisher"), client_name("till", "publisher"), client_name(&long, "flow")];

        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() <= MAX_BYTES), "{names:?}");
        assert!(names[0].starts_with("till/publisher/"), "{names:?}");
    }
}
