//! How long what a presigned URL opens may last: Studio, and what is behind a door
//! (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html>).

use serde_json::Value;

use super::item::Attribute;

/// The shortest session that the API allows, in seconds.
pub(super) const SHORTEST: u32 = 1800;

/// The longest, which holds where an item says nothing.
pub(super) const LONGEST: u32 = 43_200;

/// The value of `session_duration_seconds`.
pub(super) struct SessionDuration(u32);

impl SessionDuration {
    /// The seconds of an attribute that may be absent.
    pub(super) fn seconds(written: Option<Self>) -> u32 {
        written.map_or_else(longest, |duration| duration.0)
    }
}

/// [`LONGEST`] for the schemas, which take a function.
pub(super) fn longest() -> u32 {
    LONGEST
}

impl Attribute for SessionDuration {
    const EXPECTED: &'static str = "a number (N) of seconds from 1800 to 43200";

    fn parse(value: &Value) -> Option<Self> {
        let seconds = u32::try_from(value.as_u64()?).ok()?;
        (SHORTEST..=LONGEST).contains(&seconds).then_some(Self(seconds))
    }
}
