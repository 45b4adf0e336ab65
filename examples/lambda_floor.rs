//! The floor that `benches/lambda.py` compares with: a Lambda function that does nothing.

use lambda_http::lambda_runtime::{Error, LambdaEvent, run};
use lambda_http::service_fn;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let answer = json!({"statusCode": 200, "body": "ok"});
    run(service_fn(|_: LambdaEvent<Value>| {
        let answer = answer.clone();
        async move { Ok::<_, Error>(answer) }
    }))
    .await
}
