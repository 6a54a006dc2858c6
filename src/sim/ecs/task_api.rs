//! ListTasks and DescribeTasks.

use serde_json::{Value, json};

use super::super::{ApiError, State};
use super::describe::listed;
use super::json::{has, last_part, page, remove, text, texts};
use super::task::Task;
use super::{errors, task_definitions};

/// ListTasks: by desired status (RUNNING unless asked), service, family or starter.
pub(super) fn list_tasks(state: &State, input: &Value) -> Result<Value, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let others = ["serviceName", "family", "containerInstance"];
    if has(input, "startedBy") && others.iter().any(|member| has(input, member)) {
        return Err(errors::invalid("startedBy can not be used together with another filter."));
    }
    let service = last_part(text(input, "serviceName"));
    if !service.is_empty() && state.ecs.service_index(&cluster, service).is_none() {
        return Err(errors::no_service());
    }
    let stopped = text(input, "desiredStatus") == "STOPPED";
    let family = text(input, "family");
    let fits = |task: &&Task| {
        text(&task.body, "clusterArn") == cluster
            && task.stopping == stopped
            && (service.is_empty() || text(&task.body, "group") == format!("service:{service}"))
            && (family.is_empty() || family_of(task) == family)
            && (!has(input, "startedBy") || task.body["startedBy"] == input["startedBy"])
            && (!has(input, "launchType") || task.body["launchType"] == input["launchType"])
    };
    let arns: Vec<String> = state.ecs.tasks.iter().filter(fits).map(|task| task.arn().to_owned()).collect();
    Ok(listed("taskArns", page(&arns, input, 100, 100)))
}

fn family_of(task: &Task) -> &str {
    task_definitions::family_of(text(&task.body, "taskDefinitionArn"))
}

/// DescribeTasks, a hundred at most; STOPPED ones for an hour.
pub(super) fn describe_tasks(state: &State, input: &Value) -> Result<Value, ApiError> {
    let cluster = errors::cluster(state, text(input, "cluster"))?;
    let names = texts(input, "tasks");
    match names.len() {
        0 => return Err(errors::invalid("Tasks cannot be empty.")),
        1..=100 => {}
        _ => return Err(errors::invalid("Tasks can have at most 100 items.")),
    }
    let tags = texts(input, "include").iter().any(|member| member == "TAGS");
    let find = |name: &String| state.ecs.task(last_part(name)).filter(|task| text(&task.body, "clusterArn") == cluster);
    let found = names.iter().filter_map(find).map(|task| {
        let mut shown = task.render();
        if !tags {
            remove(&mut shown, "tags");
        } else if !has(&shown, "tags") {
            shown["tags"] = json!([]);
        }
        shown
    });
    let prefix = cluster.replacen(":cluster/", ":task/", 1);
    let absent = names.iter().filter(|name| find(name).is_none()).map(|name| format!("{prefix}/{}", last_part(name)));
    let absent: Vec<String> = absent.collect();
    Ok(json!({ "tasks": found.collect::<Vec<_>>(), "failures": errors::missing(absent.iter()) }))
}
