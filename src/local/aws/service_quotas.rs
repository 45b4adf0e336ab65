//! Service Quotas: how many user profiles an account may have.

use serde_json::{Map, Value, json};

use super::{
    context::Context,
    input::{ANY, Input},
    refusal::Refusal,
};
use crate::team::partition;

/// "Maximum number of Studio user profiles allowed per account".
const PROFILES: &str = "L-AC46C40F";

/// Answers one operation.
pub(crate) fn answer(
    context: &Context<'_>,
    operation: &str,
    input: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let input = Input(input);
    let caller = context.caller;
    let default = context.simulator.control.knobs().profile_quota;
    let value = match operation {
        "GetServiceQuota" => context.simulator.profile_quota(&caller.account),
        "GetAWSDefaultServiceQuota" => default,
        _ => return Err(Refusal::UnknownOperation { operation: operation.into() }),
    };
    let (service, code) =
        (input.required("ServiceCode", &ANY)?, input.required("QuotaCode", &ANY)?);
    context.authorize(&format!("servicequotas:{operation}"), "*", |request| request)?;
    if (service, code) != ("sagemaker", PROFILES) {
        return Err(Refusal::Ordered {
            code: "NoSuchResourceException".into(),
            status: 400,
            message: "The request failed because the specified quota does not exist.".into(),
        });
    }
    let (region, account) = (&caller.region, &caller.account);
    let partition = partition(region);
    Ok(json!({"Quota": {
        "ServiceCode": service,
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": format!("arn:{partition}:servicequotas:{region}:{account}:sagemaker/{PROFILES}"),
        "QuotaCode": PROFILES,
        "QuotaName": "Maximum number of Studio user profiles allowed per account",
        "Value": value,
        "Unit": "None",
        "Adjustable": true,
        "GlobalQuota": false,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }}))
}
