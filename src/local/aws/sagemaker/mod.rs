//! `SageMaker`: domains, user profiles, spaces, apps, what doors lead to, tags and presigned URLs, separate
//! for each account and Region.

mod app;
mod behind;
mod domain;
mod input;
mod kept;
mod life;
mod plant;
mod presign;
mod profile;
mod space;
mod state;
mod tags;

use serde_json::{Map, Value};

pub(crate) use self::state::Store;
use self::state::{Place, World};
use super::{Context, Simulator, input::Input, refusal::Refusal};
use crate::team::partition;

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

/// `arn:<partition>:sagemaker:<region>:<account>:<resource>` where the caller is.
fn arn(context: &Context<'_>, resource: &str) -> String {
    let (region, account) = (&context.caller.region, &context.caller.account);
    format!("arn:{}:sagemaker:{region}:{account}:{resource}", partition(region))
}

impl Simulator {
    /// How many profiles an account may have.
    pub(crate) fn profile_quota(&self, account: &str) -> u64 {
        let settings = self.control.settings();
        let ordered = settings.profile_quotas.get(account).copied();
        ordered.or_else(|| self.scenario.profile_quota(account)).unwrap_or(settings.profile_quota)
    }
}

impl Context<'_> {
    /// Looks at the caller's account and Region.
    fn place_look<T>(
        &self,
        look: impl FnOnce(&mut Place) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (account, region) = (&self.caller.account, &self.caller.region);
        self.simulator.sagemaker.look(|world| look(world.place(account, region, self.now)))
    }

    /// Changes the caller's account and Region.
    fn place_change<T>(
        &self,
        change: impl FnOnce(&mut Place) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (account, region) = (&self.caller.account, &self.caller.region);
        self.world_change(|world| change(world.place(account, region, self.now)))
    }

    fn world_change<T>(
        &self,
        change: impl FnOnce(&mut World) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.simulator.sagemaker.change(change)
    }
}
