//! Every error code, its status and its sentence.

use alloc::string::String;

/// An error code of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The path is not the API's.
    NotFound,
}

/// A refusal with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The code.
    pub code: Code,
    /// One sentence a person can act on, where the table's own is not enough.
    pub detail: Option<String>,
}
