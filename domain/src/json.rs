//! JSON as this crate needs it: objects whose fields stay text until their rule reads them, and a compact writer.
//! Does not know what a sale is, and turns no number into a float.

mod object;
mod place;
mod reader;
mod writer;

pub(crate) use object::{Field, Object, read_list};
pub(crate) use place::Place;
pub(crate) use reader::Report;
pub(crate) use writer::Writer;
