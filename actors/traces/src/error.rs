//! Why spans cannot leave the process.
//! A collector that is down is none of these: it may come back.

/// Traces cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The endpoint cannot be used.
    #[error("no spans can be sent to `{endpoint}`: {reason}; correct `traces.endpoint`")]
    Endpoint {
        /// What the settings say.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The ratio is no share.
    #[error("`traces.ratio` is {0}: it must be a number from 0 to 1")]
    Ratio(f64),
    /// There is no runtime to send from.
    #[error("traces were started outside of a runtime")]
    NoRuntime,
}
