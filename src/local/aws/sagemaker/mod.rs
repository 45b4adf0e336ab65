//! `SageMaker`: domains, user profiles, spaces, apps, what doors lead to, tags and presigned URLs, separate
//! for each account and Region.

mod app;
mod behind;
mod domain;
mod input;
mod kept;
mod life;
mod place;
mod plant;
mod presign;
mod profile;
mod space;
pub(crate) mod state;
mod tags;

use serde_json::{Map, Value};

use super::{context::Context, input::Input, refusal::Refusal};

/// Answers one operation.
pub(crate) fn answer(
    context: &Context<'_>,
    operation: &str,
    input: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let input = Input(input);
    match operation {
        "CreateDomain" => domain::create(context, input),
        "DescribeDomain" => domain::describe(context, input),
        "ListDomains" => domain::list(context, input),
        "UpdateDomain" => domain::update(context, input),
        "DeleteDomain" => domain::delete(context, input),
        "CreateUserProfile" => profile::create(context, input),
        "DescribeUserProfile" => profile::describe(context, input),
        "ListUserProfiles" => profile::list(context, input),
        "UpdateUserProfile" => profile::update(context, input),
        "DeleteUserProfile" => profile::delete(context, input),
        "CreatePresignedDomainUrl" => presign::create(context, input),
        "CreateSpace" => space::create(context, input),
        "DescribeSpace" => space::describe(context, input),
        "ListSpaces" => space::list(context, input),
        "DeleteSpace" => space::delete(context, input),
        "CreateApp" => app::create(context, input),
        "DescribeApp" => app::describe(context, input),
        "ListApps" => app::list(context, input),
        "DeleteApp" => app::delete(context, input),
        "AddTags" => tags::add(context, input),
        "ListTags" => tags::list(context, input),
        "DeleteTags" => tags::delete(context, input),
        _ => behind::answer(context, operation, input),
    }
}
