//! Where an operation works: the caller's account and Region, and how many profiles fit in there.

use super::state::{Place, World};
use crate::local::aws::{context::Context, refusal::Refusal, simulator::Simulator};
use crate::team::partition;

/// `arn:<partition>:sagemaker:<region>:<account>:<resource>` where the caller is.
pub(super) fn arn(context: &Context<'_>, resource: &str) -> String {
    let (region, account) = (&context.caller.region, &context.caller.account);
    format!("arn:{}:sagemaker:{region}:{account}:{resource}", partition(region))
}

impl Simulator {
    /// How many profiles an account may have.
    pub(crate) fn profile_quota(&self, account: &str) -> u64 {
        let knobs = self.control.knobs();
        let ordered = knobs.profile_quotas.get(account).copied();
        ordered.or_else(|| self.scenario.profile_quota(account)).unwrap_or(knobs.profile_quota)
    }
}

impl Context<'_> {
    /// Looks at the caller's account and Region.
    pub(super) fn place_look<T>(
        &self,
        look: impl FnOnce(&mut Place) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (account, region) = (&self.caller.account, &self.caller.region);
        self.simulator.sagemaker.look(|world| look(world.place(account, region, self.now)))
    }

    /// Changes the caller's account and Region.
    pub(super) fn place_change<T>(
        &self,
        change: impl FnOnce(&mut Place) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (account, region) = (&self.caller.account, &self.caller.region);
        self.world_change(|world| change(world.place(account, region, self.now)))
    }

    pub(super) fn world_change<T>(
        &self,
        change: impl FnOnce(&mut World) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.simulator.sagemaker.change(change)
    }
}
