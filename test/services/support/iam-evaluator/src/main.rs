//! Which statements of a policy apply to a request, by iam-rs. Reads one JSON document, writes one:
//! `{"policies": {name: policy}, "requests": [{"policy": name, "principal", "action", "resource", "context"}]}`
//! gives a list as long as `requests`, each the list of `[Sid, Effect]` that apply. How the layers of AWS make one
//! answer of that is left to the caller.
use iam_rs::{Arn, Context, EvaluationOptions, IAMEffect, IAMPolicy, IAMRequest, PolicyEvaluator, Principal, PrincipalId};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{read_to_string, stdin};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    policies: HashMap<String, serde_json::Value>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    policy: String,
    principal: String,
    action: String,
    resource: String,
    context: Context,
}

fn main() {
    match answer() {
        Ok(text) => println!("{text}"),
        Err(message) => {
            eprintln!("iam-evaluator: {message}");
            std::process::exit(1);
        }
    }
}

fn answer() -> Result<String, String> {
    let text = read_to_string(stdin()).map_err(|error| error.to_string())?;
    let Question { policies, requests } = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut evaluators = HashMap::new();
    for (name, policy) in policies {
        let policy: IAMPolicy = serde_json::from_value(policy).map_err(|error| format!("policy {name}: {error}"))?;
        let options = EvaluationOptions {
            // Every statement that applies is wanted, not the first.
            stop_on_explicit_deny: false,
            collect_match_details: true,
            ..EvaluationOptions::default()
        };
        evaluators.insert(name, PolicyEvaluator::with_policies(vec![policy]).with_options(options));
    }
    let answers = requests
        .into_iter()
        .map(|request| applying(&evaluators, request))
        .collect::<Result<Vec<_>, _>>()?;
    serde_json::to_string(&answers).map_err(|error| error.to_string())
}

fn applying(evaluators: &HashMap<String, PolicyEvaluator>, request: Request) -> Result<Vec<(String, &'static str)>, String> {
    let Request { policy, principal, action, resource, context } = request;
    let evaluator = evaluators.get(&policy).ok_or_else(|| format!("there is no policy {policy}"))?;
    let told = format!("{policy}: {principal} {action} {resource}");
    let resource = Arn::parse(&resource).map_err(|error| format!("{told}: {error}"))?;
    let request = IAMRequest::new_with_context(Principal::Aws(PrincipalId::String(principal)), action, resource, context);
    let result = evaluator.evaluate(&request).map_err(|error| format!("{told}: {error}"))?;
    Ok(result
        .statement_details
        .into_iter()
        .filter(|statement| statement.conditions_satisfied)
        .map(|statement| (statement.sid.unwrap_or_default(), if statement.effect == IAMEffect::Deny { "Deny" } else { "Allow" }))
        .collect())
}
