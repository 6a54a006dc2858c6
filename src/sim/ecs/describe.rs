//! DescribeClusters, DescribeServices and the lists of clusters and services.

use serde_json::{Value, json};

use super::super::{ApiError, State};
use super::json::{has, last_part, owned, page, remove, text, texts};
use super::task::Phase;
use super::{Ecs, errors};

impl Ecs {
    /// The cluster with its counts of now.
    pub(super) fn render_cluster(&self, cluster: &Value) -> Value {
        let mut shown = cluster.clone();
        let arn = text(cluster, "clusterArn");
        let tasks = || self.tasks.iter().filter(|task| text(&task.body, "clusterArn") == arn);
        let services = self.services.iter().filter(|service| service.cluster_arn == arn && service.active());
        shown["runningTasksCount"] = json!(tasks().filter(|task| task.phase == Phase::Running).count());
        shown["pendingTasksCount"] = json!(tasks().filter(|task| task.phase < Phase::Running && !task.stopping).count());
        shown["activeServicesCount"] = json!(services.count());
        shown
    }
}

/// DescribeClusters; no names means `default`. Members of `include` are left out unless asked for.
pub(super) fn clusters(state: &State, input: &Value) -> Result<Value, ApiError> {
    let mut names = texts(input, "clusters");
    if names.is_empty() {
        names.push("default".to_owned());
    }
    if names.len() > 100 {
        return Err(errors::invalid("clusters can have at most 100 items."));
    }
    let include = texts(input, "include");
    let found = names.iter().filter_map(|name| state.ecs.cluster(name)).map(|cluster| {
        let mut shown = state.ecs.render_cluster(cluster);
        for (asked, member) in
            [("TAGS", "tags"), ("SETTINGS", "settings"), ("CONFIGURATIONS", "configuration"), ("STATISTICS", "statistics")]
        {
            if has(&shown, member) && !include.iter().any(|name| name == asked) {
                shown[member] = json!([]);
                if member == "configuration" {
                    remove(&mut shown, member);
                }
            }
        }
        shown
    });
    let clusters: Vec<Value> = found.collect();
    let absent: Vec<String> =
        names.iter().filter(|name| state.ecs.cluster(name).is_none()).map(|name| cluster_arn(state, name)).collect();
    Ok(json!({ "clusters": clusters, "failures": errors::missing(absent.iter()) }))
}

fn cluster_arn(state: &State, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    format!("arn:aws:ecs:{}:{}:cluster/{name}", state.region, state.account)
}

/// ListClusters.
pub(super) fn list_clusters(state: &State, input: &Value) -> Result<Value, ApiError> {
    let active = state.ecs.clusters.iter().filter(|cluster| text(cluster, "status") != "INACTIVE");
    let arns: Vec<String> = active.map(|cluster| owned(cluster, "clusterArn")).collect();
    Ok(listed("clusterArns", page(&arns, input, 100, 100)))
}

/// A list operation's answer.
pub(super) fn listed(member: &str, (items, next): (Vec<String>, Option<String>)) -> Value {
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}

/// The service as it is now, tags included; `None` when there is none.
pub(super) fn view(state: &State, cluster_arn: &str, name: &str) -> Option<Value> {
    let index = state.ecs.service_index(cluster_arn, name)?;
    Some(state.ecs.render_service(&state.ecs.services[index]))
}

/// DescribeServices, ten at most. For a moment after a change it may still show what was before.
pub(super) fn services(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let names = texts(input, "services");
    match names.len() {
        0 => return Err(errors::invalid("Services cannot be empty.")),
        1..=10 => {}
        _ => return Err(errors::invalid("Services can have at most 10 items.")),
    }
    let forced = state.ecs.forced_stale > 0;
    state.ecs.forced_stale = state.ecs.forced_stale.saturating_sub(1);
    let tags = texts(input, "include").iter().any(|member| member == "TAGS");
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for name in &names {
        let stale = state.ecs.service_index(&cluster, name).and_then(|index| {
            let before = state.ecs.services[index].before.as_ref()?;
            (forced || state.now < before.until).then(|| before.view.clone())
        });
        match stale.unwrap_or_else(|| view(state, &cluster, name)) {
            Some(mut shown) => {
                if !tags {
                    remove(&mut shown, "tags");
                } else if !has(&shown, "tags") {
                    shown["tags"] = json!([]);
                }
                found.push(shown);
            }
            None => absent.push(service_arn(&cluster, name)),
        }
    }
    Ok(json!({ "services": found, "failures": errors::missing(absent.iter()) }))
}

fn service_arn(cluster_arn: &str, name: &str) -> String {
    format!("{}/{}", cluster_arn.replacen(":cluster/", ":service/", 1), last_part(name))
}

/// ListServices: ACTIVE ones only.
pub(super) fn list_services(state: &State, input: &Value) -> Result<Value, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let fits = |service: &&super::service::Service| {
        service.cluster_arn == cluster
            && service.active()
            && (!has(input, "launchType") || service.body["launchType"] == input["launchType"])
            && (!has(input, "schedulingStrategy") || service.body["schedulingStrategy"] == input["schedulingStrategy"])
    };
    let arns: Vec<String> = state.ecs.services.iter().filter(fits).map(|service| service.arn.clone()).collect();
    Ok(listed("serviceArns", page(&arns, input, 10, 100)))
}

/// ListServicesByNamespace: services whose Service Connect configuration names the namespace.
pub(super) fn list_services_by_namespace(state: &State, input: &Value) -> Result<Value, ApiError> {
    let wanted = text(input, "namespace");
    if wanted.is_empty() {
        return Err(errors::invalid("namespace can not be empty."));
    }
    let fits = |service: &&super::service::Service| {
        let connect = service.primary().map(|primary| text(&primary.spec["serviceConnectConfiguration"], "namespace"));
        service.active() && connect.is_some_and(|namespace| !namespace.is_empty() && last_part(namespace) == last_part(wanted))
    };
    let arns: Vec<String> = state.ecs.services.iter().filter(fits).map(|service| service.arn.clone()).collect();
    Ok(listed("serviceArns", page(&arns, input, 10, 100)))
}
