//! Known attacks, what stops each, and the test that shows it.
