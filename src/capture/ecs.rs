//! The cluster: every service with its tasks and task definitions; of the services that the runbook names, the history too.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::reader::{Reader, each};
use super::{Scope, entries, texts};
use crate::aws::CallError;
use crate::aws::task_definition::family_of;

/// DescribeServices takes ten names.
const SERVICES: usize = 10;
/// DescribeTasks takes a hundred.
const TASKS: usize = 100;
/// DescribeServiceDeployments and DescribeServiceRevisions take twenty ARNs; more of a service's history says nothing of today.
const HISTORY: usize = 20;
/// So many of a family's newest ACTIVE revisions are read: what is planned looks at the newest and at those in use.
const REVISIONS: usize = 20;

/// The world file's `ecs`.
pub(super) async fn read(reader: &Reader<'_>, scope: &Scope) -> Result<Value, CallError> {
    let cluster = &scope.cluster;
    let input = json!({ "clusters": [cluster], "include": ["CONFIGURATIONS", "SETTINGS", "STATISTICS", "TAGS"] });
    let clusters = reader.read("DescribeClusters", cluster, input).await?;
    let clusters = clusters.map(|mut answer| answer["clusters"].take()).unwrap_or_else(|| json!([]));
    let mut services = read_services(reader, scope).await?;
    let tasks = read_tasks(reader, cluster).await?;
    let definitions = read_definitions(reader, scope, &services, &tasks).await?;
    drop_unknown(reader, &mut services, &definitions);
    let (deployments, revisions) = read_history(reader, scope, &services).await?;
    let mut part = json!({ "clusters": clusters, "taskDefinitions": definitions, "services": services, "tasks": tasks });
    for (name, records) in [("serviceDeployments", deployments), ("serviceRevisions", revisions)] {
        if !records.is_empty() {
            part[name] = json!(records);
        }
    }
    Ok(part)
}

/// All of the cluster, so that nothing that shares something with the runbook's is overlooked.
async fn read_services(reader: &Reader<'_>, scope: &Scope) -> Result<Vec<Value>, CallError> {
    let cluster = &scope.cluster;
    let input = json!({ "cluster": cluster, "maxResults": 100 });
    let listed = reader.list("ListServices", cluster, input, "serviceArns", "nextToken").await?;
    let mut names: Vec<String> =
        listed.iter().filter_map(Value::as_str).filter_map(|arn| arn.rsplit('/').next()).map(str::to_owned).collect();
    // One that drains is in no list, and may not be listed for lack of permission.
    for name in scope.services() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let answers = each(names.chunks(SERVICES), async |names| {
        let input = json!({ "cluster": cluster, "services": names, "include": ["TAGS"] });
        reader.read("DescribeServices", &names.join(", "), input).await
    });
    let answers = answers.await?;
    let found = answers.into_iter().flatten().flat_map(|mut answer| match answer["services"].take() {
        Value::Array(services) => services,
        _ => Vec::new(),
    });
    Ok(found.filter(|service| service["status"] != "INACTIVE").collect())
}

/// Those that a service started and that have not stopped: one that is told to still holds its place.
async fn read_tasks(reader: &Reader<'_>, cluster: &str) -> Result<Vec<Value>, CallError> {
    let mut arns = Vec::new();
    for desired in ["RUNNING", "STOPPED"] {
        let input = json!({ "cluster": cluster, "desiredStatus": desired, "maxResults": 100 });
        arns.extend(reader.list("ListTasks", cluster, input, "taskArns", "nextToken").await?);
    }
    let answers = each(arns.chunks(TASKS), async |arns| {
        let input = json!({ "cluster": cluster, "tasks": arns, "include": ["TAGS"] });
        reader.read("DescribeTasks", cluster, input).await
    });
    let answers = answers.await?;
    let found = answers.into_iter().flatten().flat_map(|mut answer| match answer["tasks"].take() {
        Value::Array(tasks) => tasks,
        _ => Vec::new(),
    });
    let of_service = |task: &Value| task["group"].as_str().is_some_and(|group| group.starts_with("service:"));
    Ok(found.filter(|task| of_service(task) && task["lastStatus"] != "STOPPED").collect())
}

/// What services and tasks run, and the newest ACTIVE revisions of the families that the runbook registers.
async fn read_definitions(
    reader: &Reader<'_>,
    scope: &Scope,
    services: &[Value],
    tasks: &[Value],
) -> Result<Vec<Value>, CallError> {
    let deployed = |service: &Value| -> Vec<String> {
        let of = entries(&service["deployments"]).filter_map(|deployment| deployment["taskDefinition"].as_str());
        of.chain(service["taskDefinition"].as_str()).map(str::to_owned).collect()
    };
    let mut arns: BTreeSet<String> = services.iter().flat_map(deployed).collect();
    arns.extend(tasks.iter().filter_map(|task| task["taskDefinitionArn"].as_str()).map(str::to_owned));
    let named = scope.services();
    let edited = services.iter().filter(|service| named.iter().any(|name| service["serviceName"] == ***name));
    let mut families: BTreeSet<String> = scope.wants.families.clone();
    families.extend(edited.flat_map(|service| service["taskDefinition"].as_str()).map(|arn| family_of(arn).to_owned()));
    let listed = each(&families, async |family: &String| {
        let input = json!({ "familyPrefix": family, "status": "ACTIVE", "sort": "DESC", "maxResults": REVISIONS });
        let answer = reader.read("ListTaskDefinitions", family, input).await?.unwrap_or_default();
        if answer["nextToken"].is_string() {
            let why = format!("only the {REVISIONS} newest ACTIVE revisions were read, and those in use");
            reader.note("ListTaskDefinitions", family, why);
        }
        // The prefix is the whole family by AWS's documentation; comparing costs nothing.
        Ok(texts(&answer["taskDefinitionArns"]).filter(|arn| family_of(arn) == family).map(str::to_owned).collect::<Vec<_>>())
    });
    arns.extend(listed.await?.into_iter().flatten());
    let read = each(&arns, async |arn: &String| {
        let input = json!({ "taskDefinition": arn, "include": ["TAGS"] });
        reader.read("DescribeTaskDefinition", arn, input).await
    });
    let mut found: Vec<Value> = read.await?.into_iter().flatten().collect();
    // `f:10` comes after `f:9`, as it was registered.
    found.sort_by_cached_key(|found| {
        let definition = &found["taskDefinition"];
        (definition["family"].as_str().unwrap_or_default().to_owned(), definition["revision"].as_i64())
    });
    Ok(found)
}

/// A service is of no use without what it runs.
fn drop_unknown(reader: &Reader<'_>, services: &mut Vec<Value>, definitions: &[Value]) {
    let known = |arn: &Value| definitions.iter().any(|found| found["taskDefinition"]["taskDefinitionArn"] == *arn);
    services.retain(|service| {
        let deployed = entries(&service["deployments"]).map(|deployment| &deployment["taskDefinition"]);
        let unknown = deployed.chain([&service["taskDefinition"]]).filter(|arn| arn.is_string()).find(|arn| !known(arn));
        if let Some(unknown) = unknown {
            let name = service["serviceName"].as_str().unwrap_or_default();
            let why = format!("left out: its task definition {unknown} could not be read");
            reader.note("DescribeServices", name, why);
        }
        unknown.is_none()
    });
}

type Records = (Vec<Value>, Vec<Value>);

/// The latest deployments of the services that the runbook names, and the revisions that they are about; oldest first.
async fn read_history(reader: &Reader<'_>, scope: &Scope, services: &[Value]) -> Result<Records, CallError> {
    let named = scope.services();
    let there = services.iter().filter(|service| named.iter().any(|name| service["serviceName"] == ***name));
    let histories = each(there, async |service| read_history_of(reader, &scope.cluster, service).await).await?;
    let (mut deployments, mut revisions) = Records::default();
    for (mut older, mut old) in histories {
        deployments.append(&mut older);
        revisions.append(&mut old);
    }
    Ok((deployments, revisions))
}

async fn read_history_of(reader: &Reader<'_>, cluster: &str, service: &Value) -> Result<Records, CallError> {
    let name = service["serviceName"].as_str().unwrap_or_default();
    let input = json!({ "cluster": cluster, "service": name, "maxResults": HISTORY });
    let listed = reader.read("ListServiceDeployments", name, input).await?.unwrap_or_default();
    let arns: Vec<&str> =
        entries(&listed["serviceDeployments"]).filter_map(|brief| brief["serviceDeploymentArn"].as_str()).collect();
    let mut deployments = Vec::new();
    if !arns.is_empty() {
        let input = json!({ "serviceDeploymentArns": arns });
        let answer = reader.read("DescribeServiceDeployments", name, input).await?.unwrap_or_default();
        deployments = entries(&answer["serviceDeployments"]).cloned().collect();
    }
    deployments.sort_by(|a, b| time(a).total_cmp(&time(b)));
    let mut wanted: Vec<&str> = Vec::new();
    let targets = deployments.iter().rev().map(|deployment| &deployment["targetServiceRevision"]);
    let sources = deployments.iter().rev().flat_map(|deployment| entries(&deployment["sourceServiceRevisions"]));
    for revision in entries(&service["currentServiceRevisions"]).chain(targets).chain(sources) {
        if let Some(arn) = revision["arn"].as_str().filter(|arn| !wanted.contains(arn)) {
            wanted.push(arn);
        }
    }
    wanted.truncate(HISTORY);
    let mut revisions = Vec::new();
    if !wanted.is_empty() {
        let input = json!({ "serviceRevisionArns": wanted });
        let answer = reader.read("DescribeServiceRevisions", name, input).await?.unwrap_or_default();
        revisions = entries(&answer["serviceRevisions"]).cloned().collect();
    }
    revisions.sort_by(|a, b| time(a).total_cmp(&time(b)));
    Ok((deployments, revisions))
}

fn time(record: &Value) -> f64 {
    record["createdAt"].as_f64().unwrap_or_default()
}
