//! The broker as an AWS Lambda function.
fn main() {}
