//! Connecting to the account, and planning against it.

use super::context::{Context, live_seed};
use super::runbooks::target;
use crate::aws::{Access, Aws, Identity};
use crate::journal::Journal;
use crate::model::{Error, Plan, RunId, RunView, Runbook, Target};
use crate::stages::facts::Facts;

/// Connects, and asks who the credentials belong to.
pub async fn connect(context: &Context, region: &str, access: Access) -> Result<(Aws, Identity), Error> {
    let aws = Aws::connect(&context.connect_options(region), access, context.clock()?, live_seed())
        .await?
        .watched(context.api_watch())
        .telling_waits(context.wait_watch());
    let identity = aws.identity().await.map_err(|error| in_place(context, error.into(), &aws))?;
    Ok((aws, identity))
}

/// Reads what planning needs.
pub async fn facts(context: &Context, aws: &Aws, identity: &Identity, runbook: &Runbook) -> Result<Facts, Error> {
    crate::plan::observe(aws, runbook, identity).await.map_err(|error| in_place(context, error, aws))
}

/// Reads and plans.
pub async fn plan(context: &Context, aws: &Aws, identity: &Identity, runbook: &Runbook, run: &RunId) -> Result<Plan, Error> {
    Ok(crate::plan::make(runbook, &facts(context, aws, identity, runbook).await?, run))
}

/// Connects to where a sealed plan was made, unless an option says otherwise.
pub async fn connect_as_planned(context: &Context, plan: &Plan) -> Result<(Aws, Identity), Error> {
    let aws = connect_there(context, &plan.target, Access::ReadWrite).await?;
    let identity = aws.identity().await.map_err(|error| in_place(context, error.into(), &aws))?;
    Ok((aws, identity))
}

async fn connect_there(context: &Context, target: &Target, access: Access) -> Result<Aws, Error> {
    let mut options = context.connect_options(&target.region);
    if options.endpoint_url.is_none() {
        options.endpoint_url.clone_from(&target.endpoint);
    }
    Ok(Aws::connect(&options, access, context.clock()?, live_seed())
        .await?
        .watched(context.api_watch())
        .telling_waits(context.wait_watch()))
}

/// Connects for a runbook.
pub async fn connect_for(context: &Context, runbook: &Runbook, access: Access) -> Result<(Aws, Identity), Error> {
    connect(context, target(runbook, "region"), access).await
}

/// Connects for a run; another account, Region or endpoint than it is bound to is refused.
pub async fn connect_bound(context: &Context, view: &RunView, access: Access) -> Result<Aws, Error> {
    let bound = &view.plan.target;
    let aws = connect_there(context, bound, access).await?;
    let identity = aws.identity().await.map_err(|error| in_place(context, error.into(), &aws))?;
    let words = |account: &str, region: &str, endpoint: Option<&str>| {
        let endpoint = endpoint.map(|url| format!(", endpoint {url}")).unwrap_or_default();
        format!("account {account}, Region {region}{endpoint}")
    };
    if identity.account != bound.account || aws.region != bound.region || aws.endpoint_url != bound.endpoint {
        return Err(Error::WrongTarget {
            run: view.id.clone(),
            bound: words(&bound.account, &bound.region, bound.endpoint.as_deref()),
            found: words(&identity.account, &aws.region, aws.endpoint_url.as_deref()),
        });
    }
    Ok(aws)
}

/// What kept this machine from AWS, with where it looked.
fn in_place(context: &Context, error: Error, aws: &Aws) -> Error {
    match error {
        Error::Unreachable { operation, why, at, .. } => {
            let endpoint = aws.endpoint_url.clone().unwrap_or_else(|| format!("AWS in Region {}", aws.region));
            Error::Unreachable { operation, endpoint, why, at }
        }
        Error::Credentials { why, at } => Error::Credentials { why: unfound(context, why), at },
        other => other,
    }
}

/// The SDK's own words for credentials that are not there are a page of provider names, or none at all.
fn unfound(context: &Context, why: String) -> String {
    match (why.strip_prefix("no answer: "), &context.common.profile) {
        (Some(words), Some(profile)) => format!("profile `{profile}` gives no credentials: {words}"),
        (Some(words), None) if words.contains("no credentials found in chain") => {
            "no credentials were found: not in the environment, a profile, a web identity token, the container or the instance"
                .to_owned()
        }
        _ => why,
    }
}

/// An id that no run has yet.
pub fn fresh_run(journal: Option<&Journal>, seed: u64) -> Result<RunId, Error> {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let id = RunId::generate(|n| random.usize(..n));
        match journal {
            Some(journal) if !journal.is_free(&id)? => {}
            _ => return Ok(id),
        }
    }
}
