//! Rendering, sign-off and packaging. To come: until then the report cannot be rendered.

use crate::chain::{Error, Result, Store};
use crate::domain::RunId;

/// The report files of a run: name and bytes.
pub fn render(_store: &Store, _run: &RunId) -> Result<Vec<(String, Vec<u8>)>> {
    Err(Error::Refused("the report cannot be rendered yet".into()))
}
