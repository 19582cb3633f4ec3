//! On which broker this run's tests happen.
//! What cannot be shown on both is in `only_embedded.txt`, with reasons; `cargo xtask test` leaves it out and says so.

/// Chosen by `TILLSTREAM_TEST_BACKEND`, embedded if nobody chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The broker is in the service's process.
    Embedded,
    /// `tillstream broker` is a process of its own, and the service reaches it with the Solace client library.
    Solace,
}

impl Backend {
    /// The backend of this run.
    pub fn of_this_run() -> Self {
        match std::env::var("TILLSTREAM_TEST_BACKEND").as_deref() {
            Err(_) | Ok("embedded") => Self::Embedded,
            Ok("solace") => Self::Solace,
            Ok(other) => panic!("TILLSTREAM_TEST_BACKEND is `{other}`: embedded or solace"),
        }
    }
}
