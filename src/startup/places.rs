//! Where actors run: one OS thread per failure domain.
//! A thread that blocks takes only its own domain along.

use tillstream_supervision::Place;

/// The threads of one process.
pub struct Places {
    /// Supervisors, secrets, users.
    pub control: Place,
    /// One per validator.
    pub validation: Vec<Place>,
    /// Publisher and flows.
    pub session: Place,
    /// Intake, router, windows.
    pub aggregation: Place,
    /// What windows have decided must not wait for a burst of sales.
    pub outbox: Place,
    /// Turnover and ledger.
    pub reporting: Place,
    /// Simulated tills.
    pub pos: Place,
}

impl Places {
    /// Starts the threads; `validators` of them for validation.
    pub fn start(validators: usize) -> Self {
        Self {
            control: Place::arbiter("control"),
            validation: (1..=validators).map(|number| Place::arbiter(&format!("validation-{number}"))).collect(),
            session: Place::arbiter("session"),
            aggregation: Place::arbiter("aggregation"),
            outbox: Place::arbiter("outbox"),
            reporting: Place::arbiter("reporting"),
            pos: Place::arbiter("pos"),
        }
    }
}
