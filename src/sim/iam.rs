//! IAM: who may do what. Everybody may do everything but what the world file denies under `iam.denied`, a list of
//! `{"actions": ["ecs:UpdateService", "logs:*"], "principal": ARN}`; without a principal it is the caller who is denied. What the caller
//! is denied is refused when it is asked for, unless it concerns only some `resources`; what others (an execution role, say) are denied shows in a simulation of their policies.

use serde_json::{Value, json};

use super::values::{Object, list, text, texts};
use super::wire::Service;
use super::{ApiError, Call, State};

/// `iam` of a world file.
#[derive(Clone, Debug, Default)]
pub(super) struct Iam {
    denied: Vec<Denial>,
    /// As the CLI prints them.
    roles: Vec<Object>,
    /// Members of the world file that nothing here knows.
    extra: Object,
}

/// Something that somebody may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Denial {
    /// `None`: the caller.
    principal: Option<String>,
    /// As IAM spells them, with `*` for any ending.
    actions: Vec<String>,
    /// ARNs; none: whatever it is about.
    resources: Vec<String>,
}

impl Denial {
    fn of(value: &Value) -> Result<Self, String> {
        let actions = texts(value, "actions");
        if actions.is_empty() {
            return Err(format!("iam.denied has an entry without actions: {value}"));
        }
        Ok(Self { principal: text(value, "principal").map(str::to_owned), actions, resources: texts(value, "resources") })
    }

    fn concerns(&self, resource: Option<&str>) -> bool {
        self.resources.is_empty() || resource.is_some_and(|resource| self.resources.iter().any(|known| known == resource))
    }

    fn covers(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => action.starts_with(start),
            None => pattern == action,
        })
    }
}

impl Iam {
    /// Reads the part.
    pub(super) fn load(part: &Value) -> Result<Self, String> {
        let mut extra = part.as_object().cloned().unwrap_or_default();
        extra.retain(|name, _| !["denied", "roles"].contains(&name.as_str()));
        let role = |value: &Value| value.as_object().cloned().ok_or_else(|| "iam.roles holds something that is no role".to_owned());
        Ok(Self {
            denied: list(part, "denied").iter().map(Denial::of).collect::<Result<_, _>>()?,
            roles: list(part, "roles").iter().map(role).collect::<Result<_, _>>()?,
            extra,
        })
    }

    /// Writes the part; `None` where nothing of it was ever said.
    pub(super) fn save(&self) -> Option<Value> {
        let mut part = self.extra.clone();
        if !self.denied.is_empty() {
            let denial = |denial: &Denial| {
                let mut written = json!({ "actions": denial.actions });
                if let Some(principal) = &denial.principal {
                    written["principal"] = json!(principal);
                }
                if !denial.resources.is_empty() {
                    written["resources"] = json!(denial.resources);
                }
                written
            };
            part.insert("denied".to_owned(), self.denied.iter().map(denial).collect());
        }
        if !self.roles.is_empty() {
            part.insert("roles".to_owned(), json!(self.roles));
        }
        (!part.is_empty()).then_some(Value::Object(part))
    }
}

/// Whether the caller may do this.
pub(super) fn permit(state: &State, service: Service, operation: &str) -> Result<(), ApiError> {
    let action = format!("{}:{operation}", service.name());
    if operation == "GetCallerIdentity" || !denied_to_caller(state, &action, None) {
        return Ok(());
    }
    let caller = caller(state);
    let message = format!(
        "User: {caller} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    );
    Err(match service {
        Service::Ecs | Service::Logs | Service::CloudMap | Service::Scaling => ApiError::new("AccessDeniedException", message),
        Service::Elb | Service::Sts | Service::Iam | Service::Route53 => ApiError::new("AccessDenied", message).status(403),
        Service::Ec2 => {
            let message = format!("You are not authorized to perform this operation. {message}");
            ApiError::new("UnauthorizedOperation", message).status(403)
        }
    })
}

/// Whether the caller may not do this: by the world file, because whoever wrote it could not, or by a fault. Without a resource, what
/// concerns some resources only does not count.
fn denied_to_caller(state: &State, action: &str, resource: Option<&str>) -> bool {
    let mut by_policy = state.iam.denied.iter().filter(|denial| denial.principal.is_none());
    by_policy.any(|denial| denial.covers(action) && denial.concerns(resource))
        || state.unseen.refuses(action)
        || state.faults.denies(action)
}

fn caller(state: &State) -> String {
    text(&state.sts.caller_identity, "Arn").unwrap_or_default().to_owned()
}

/// Answers one IAM operation.
pub(super) fn call(state: &State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "GetRole" => get_role(state, input),
        "SimulatePrincipalPolicy" => simulate(state, input),
        other => Err(ApiError::new("InvalidAction", format!("Could not find operation {other} for version 2010-05-08"))),
    }
}

/// Roles of the world file; of others that anything names the ARN is taken to be the plain one.
fn get_role(state: &State, input: &Value) -> Result<Value, ApiError> {
    let name = text(input, "RoleName").unwrap_or_default();
    let known = state.iam.roles.iter().find(|role| role.get("RoleName").and_then(Value::as_str) == Some(name));
    if let Some(role) = known {
        return Ok(json!({ "Role": role }));
    }
    let arn = format!("arn:aws:iam::{}:role/{name}", state.account);
    // A session's role is there without being written down.
    let session = format!("assumed-role/{name}/");
    if !caller(state).contains(&session) {
        let message = format!("The role with name {name} cannot be found.");
        return Err(ApiError::new("NoSuchEntity", message).status(404));
    }
    Ok(
        json!({ "Role": { "Path": "/", "RoleName": name, "RoleId": "AROAEXAMPLE", "Arn": arn, "CreateDate": "2025-12-01T08:00:00Z" } }),
    )
}

fn simulate(state: &State, input: &Value) -> Result<Value, ApiError> {
    let principal = text(input, "PolicySourceArn").unwrap_or_default();
    if !principal.contains(":role/") && !principal.contains(":user/") && !principal.contains(":group/") {
        return Err(ApiError::new(
            "InvalidInput",
            format!("Invalid Entity Arn: {principal} does not clearly define entity type and name."),
        ));
    }
    let caller = caller(state);
    let is_caller = principal == caller || role_of(&caller).is_some_and(|role| principal.rsplit('/').next() == Some(role));
    let resources = Some(texts(input, "ResourceArns")).filter(|list| !list.is_empty()).unwrap_or_else(|| vec!["*".to_owned()]);
    let denied = |action: &str, resource: &str| {
        let mut others = state.iam.denied.iter().filter(|denial| denial.principal.as_deref() == Some(principal));
        others.any(|denial| denial.covers(action) && denial.concerns(Some(resource)))
            || is_caller && denied_to_caller(state, action, Some(resource))
    };
    let results: Vec<Value> = texts(input, "ActionNames")
        .iter()
        .flat_map(|action| resources.iter().map(move |resource| (action, resource)))
        .map(|(action, resource)| {
            let decision = if denied(action, resource) { "implicitDeny" } else { "allowed" };
            json!({ "EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision })
        })
        .collect();
    Ok(json!({ "EvaluationResults": results, "IsTruncated": false }))
}

/// The role under which a session runs.
fn role_of(arn: &str) -> Option<&str> {
    arn.split_once(":assumed-role/")?.1.split('/').next()
}
