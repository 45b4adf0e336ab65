//! `studio-broker`: the door through which an organization enters Amazon SageMaker Studio.

#[cfg(feature = "cli")]
pub mod local;
