//! Where in a document something is, without an allocation until an error has to say so.
//! Does not escape: the names are our own fields', which have no `/` or `~`.

/// A field or an element below its parent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'p> {
    /// The document as a whole.
    Body,
    /// A field of an object.
    Field(&'p Place<'p>, &'static str),
    /// An element of an array.
    Index(&'p Place<'p>, usize),
}

impl Place<'_> {
    /// As a reader writes it: `items[0].quantity`.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Body => String::new(),
            Self::Field(Place::Body, name) => (*name).to_owned(),
            Self::Field(parent, name) => format!("{}.{name}", parent.path()),
            Self::Index(parent, index) => format!("{}[{index}]", parent.path()),
        }
    }

    /// As an RFC 6901 pointer: `/items/0/quantity`.
    pub(crate) fn pointer(&self) -> String {
        match self {
            Self::Body => String::new(),
            Self::Field(parent, name) => format!("{}/{name}", parent.pointer()),
            Self::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}
