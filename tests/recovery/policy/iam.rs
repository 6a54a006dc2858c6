//! IAM as AWS documents it: what a request is held against (the service authorization reference's tables of actions, resource types and
//! condition keys), and whether a policy allows that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sidestep::sim::RequestNote;

/// One question to IAM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    pub action: String,
    pub resource: String,
    pub context: BTreeMap<String, String>,
}

/// The account and Region that ARNs name.
pub struct At {
    pub account: String,
    pub region: String,
}

/// Where a request's parameters stand.
enum Body {
    Json(Value),
    Form(Vec<(String, String)>),
}

impl Body {
    fn of(request: &RequestNote) -> Self {
        match serde_json::from_str(&request.body) {
            Ok(value) => Self::Json(value),
            Err(_) => Self::Form(form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()),
        }
    }

    fn text(&self, name: &str) -> String {
        match self {
            Self::Json(value) => value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned(),
            Self::Form(pairs) => {
                let found = pairs.iter().find(|(known, _)| known == name);
                found.unwrap_or_else(|| panic!("no {name} in {pairs:?}")).1.clone()
            }
        }
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let Self::Json(value) = self else { panic!("not JSON") };
        value[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Whether something is given under this name, or under names that begin with it.
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Json(value) => match &value[name] {
                Value::Null => false,
                Value::Array(list) => !list.is_empty(),
                Value::Object(members) => !members.is_empty(),
                _ => true,
            },
            Self::Form(pairs) => pairs.iter().any(|(known, _)| known.starts_with(name)),
        }
    }
}

impl At {
    fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }

    fn service(&self, cluster: &str, service: &str) -> String {
        if service.starts_with("arn:") { service.to_owned() } else { self.arn("ecs", &format!("service/{cluster}/{service}")) }
    }

    /// What IAM is asked for a request: all of it must be allowed. Nothing for what needs no permission.
    pub fn asks(&self, request: &RequestNote) -> Vec<Ask> {
        let action = request.action.as_str();
        // Anybody may ask who they are; and a plain GET is no call to AWS.
        if action == "sts:GetCallerIdentity" || action.starts_with("http:") || action.starts_with("https:") {
            return Vec::new();
        }
        let body = Body::of(request);
        let service = action.split(':').next().expect("a service");
        match service {
            "ecs" => self.of_ecs(action, &body),
            "logs" => self.of_logs(action, &body),
            "servicediscovery" => self.of_names(action, &body),
            "elasticloadbalancing" | "ec2" => self.of_network(action, &body),
            "iam" | "route53" | "application-autoscaling" => self.of_governance(action, &body, request),
            other => panic!("a service that nobody knows: {other}"),
        }
    }

    fn of_ecs(&self, action: &str, body: &Body) -> Vec<Ask> {
        let cluster = || body.text("cluster");
        let in_cluster = |ask: Ask| ask.with("ecs:cluster", &self.arn("ecs", &format!("cluster/{}", cluster())));
        let each = |arns: Vec<String>| arns.iter().map(|arn| Ask::new(action, arn)).collect();
        match action.split_once(':').expect("an action").1 {
            "DescribeTaskDefinition" | "ListTaskDefinitions" | "DeregisterTaskDefinition" => vec![Ask::new(action, "*")],
            "ListServices" | "ListTasks" => vec![in_cluster(Ask::new(action, "*"))],
            "DescribeClusters" => {
                each(body.texts("clusters").iter().map(|name| self.arn("ecs", &format!("cluster/{name}"))).collect())
            }
            "DescribeServices" => each(body.texts("services").iter().map(|name| self.service(&cluster(), name)).collect()),
            "DescribeTasks" => each(body.texts("tasks")),
            "ListServiceDeployments" | "UpdateService" | "DeleteService" => {
                vec![Ask::new(action, &self.service(&cluster(), &body.text("service")))]
            }
            // The reference names the service beside its records.
            "DescribeServiceDeployments" => each(with_services(body.texts("serviceDeploymentArns"), "service-deployment")),
            "DescribeServiceRevisions" => each(with_services(body.texts("serviceRevisionArns"), "service-revision")),
            "CreateService" => {
                let arn = self.service(&cluster(), &body.text("serviceName"));
                let mut asks = vec![Ask::new(action, &arn)];
                if body.has("tags") {
                    asks.push(Ask::new("ecs:TagResource", &arn).with("ecs:CreateAction", "CreateService"));
                }
                asks
            }
            "RegisterTaskDefinition" => {
                let arn = self.arn("ecs", &format!("task-definition/{}:77", body.text("family")));
                let mut asks = vec![Ask::new(action, &arn)];
                if body.has("tags") {
                    asks.push(Ask::new("ecs:TagResource", &arn).with("ecs:CreateAction", "RegisterTaskDefinition"));
                }
                for role in ["executionRoleArn", "taskRoleArn"].into_iter().filter(|role| body.has(role)) {
                    let pass = Ask::new("iam:PassRole", &body.text(role));
                    asks.push(pass.with("iam:PassedToService", "ecs-tasks.amazonaws.com"));
                }
                asks
            }
            "TagResource" | "UntagResource" => vec![Ask::new(action, &body.text("resourceArn"))],
            other => panic!("nobody knows what ecs:{other} is held against"),
        }
    }

    fn of_logs(&self, action: &str, body: &Body) -> Vec<Ask> {
        let group = || self.arn("logs", &format!("log-group:{}", body.text("logGroupName")));
        // With what is in it, as refusals show; but for the operations on tags.
        let within = || format!("{}:log-stream:", group());
        match action.split_once(':').expect("an action").1 {
            "DescribeLogGroups" => vec![Ask::new(action, "*")],
            "ListTagsForResource" => vec![Ask::new(action, &body.text("resourceArn"))],
            "GetLogEvents" => {
                vec![Ask::new(action, &format!("{}:log-stream:{}", group(), body.text("logStreamName")))]
            }
            "CreateLogGroup" => {
                let mut asks = vec![Ask::new(action, &within())];
                if body.has("tags") {
                    asks.push(Ask::new("logs:TagResource", &group()));
                }
                asks
            }
            "PutRetentionPolicy" | "DeleteRetentionPolicy" | "DeleteLogGroup" | "DescribeLogStreams" | "FilterLogEvents" => {
                vec![Ask::new(action, &within())]
            }
            other => panic!("nobody knows what logs:{other} is held against"),
        }
    }

    fn of_names(&self, action: &str, body: &Body) -> Vec<Ask> {
        let service = |id: &str| self.arn("servicediscovery", &format!("service/{id}"));
        match action.split_once(':').expect("an action").1 {
            // Old editions of the reference give instances no resource type, so a policy may not lean on one.
            "ListNamespaces" | "ListServices" | "ListTagsForResource" | "ListInstances" | "GetInstancesHealthStatus" => {
                vec![Ask::new(action, "*")]
            }
            "GetService" | "DeleteService" => vec![Ask::new(action, &service(&body.text("Id")))],
            "CreateService" => {
                let namespace = self.arn("servicediscovery", &format!("namespace/{}", body.text("NamespaceId")));
                let mut asks = vec![Ask::new(action, &namespace), Ask::new(action, &service("srv-new"))];
                if body.has("Tags") {
                    asks.push(Ask::new("servicediscovery:TagResource", "*"));
                }
                asks
            }
            other => panic!("nobody knows what servicediscovery:{other} is held against"),
        }
    }

    fn of_network(&self, action: &str, body: &Body) -> Vec<Ask> {
        let group = || self.arn("ec2", &format!("security-group/{}", body.text("GroupId")));
        match action {
            "elasticloadbalancing:ModifyTargetGroup" => vec![Ask::new(action, &body.text("TargetGroupArn"))],
            "ec2:AuthorizeSecurityGroupIngress" => {
                let rule = self.arn("ec2", "security-group-rule/sgr-new");
                let mut asks = vec![Ask::new(action, &group())];
                if body.has("TagSpecification") {
                    asks.push(Ask::new(action, &rule));
                    asks.push(Ask::new("ec2:CreateTags", &rule).with("ec2:CreateAction", "AuthorizeSecurityGroupIngress"));
                }
                asks
            }
            "ec2:RevokeSecurityGroupIngress" => vec![Ask::new(action, &group())],
            described if described.contains(":Describe") => vec![Ask::new(action, "*")],
            other => panic!("nobody knows what {other} is held against"),
        }
    }

    fn of_governance(&self, action: &str, body: &Body, request: &RequestNote) -> Vec<Ask> {
        let resource = match action {
            "iam:GetRole" => format!("arn:aws:iam::{}:role/{}", self.account, body.text("RoleName")),
            "iam:SimulatePrincipalPolicy" => body.text("PolicySourceArn"),
            "route53:GetHostedZone" => {
                let zone = request.uri.rsplit("/hostedzone/").next().expect("a zone");
                format!("arn:aws:route53:::hostedzone/{zone}")
            }
            "application-autoscaling:DescribeScalableTargets" => "*".to_owned(),
            other => panic!("nobody knows what {other} is held against"),
        };
        vec![Ask::new(action, &resource)]
    }
}

/// What a simulation of the caller's policies is asked.
pub fn simulated(request: &RequestNote, caller: &str) -> Vec<Ask> {
    let body = Body::of(request);
    let Body::Form(pairs) = &body else { panic!("not a form") };
    if body.text("PolicySourceArn") != caller {
        return Vec::new();
    }
    let mut ask = Ask::new("", &body.text("ResourceArns.member.1"));
    for (name, key) in pairs.iter().filter(|(name, _)| name.ends_with(".ContextKeyName")) {
        let entry = name.trim_end_matches(".ContextKeyName");
        ask = ask.with(key, &body.text(&format!("{entry}.ContextKeyValues.member.1")));
    }
    let actions = pairs.iter().filter(|(name, _)| name.starts_with("ActionNames.member."));
    actions.map(|(_, action)| Ask { action: action.clone(), ..ask.clone() }).collect()
}

/// The ARNs, and those of the services whose records they are.
fn with_services(arns: Vec<String>, kind: &str) -> Vec<String> {
    let service = |arn: &String| {
        let (of, _) = arn.rsplit_once('/').expect("an ARN");
        of.replace(&format!(":{kind}/"), ":service/")
    };
    let services: Vec<String> = arns.iter().map(service).collect();
    arns.into_iter().chain(services).collect()
}

impl Ask {
    fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned(), context: BTreeMap::new() }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// `*` is any text, `?` any letter.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => like(rest, text) || text.split_first().is_some_and(|(_, more)| like(pattern, more)),
        (Some((b'?', rest)), Some((_, more))) => like(rest, more),
        (Some((wanted, rest)), Some((found, more))) => wanted == found && like(rest, more),
        _ => false,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    like(pattern.as_bytes(), text.as_bytes())
}

/// One value or several.
fn several(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        other => panic!("neither a text nor a list: {other}"),
    }
}

fn holds(condition: &Value, context: &BTreeMap<String, String>) -> bool {
    let Some(operators) = condition.as_object() else { return true };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().expect("keys").iter().all(|(key, wanted)| {
            // A key that a request does not have makes the condition false.
            let Some(found) = context.get(key) else { return false };
            several(wanted).iter().any(|wanted| match operator.as_str() {
                "StringEquals" => wanted == found,
                "ArnLike" => matches(wanted, found),
                other => panic!("an operator that nobody knows: {other}"),
            })
        })
    })
}

/// A grant of a policy: statement, action, resource.
pub type Grant = (String, String, String);

/// Every grant of a policy.
pub fn grants(policy: &Value) -> BTreeSet<Grant> {
    let statements = policy["Statement"].as_array().expect("statements");
    let of = |statement: &Value| -> Vec<Grant> {
        let sid = statement["Sid"].as_str().expect("a Sid");
        let resources = several(&statement["Resource"]);
        let pair =
            |action: &str| resources.iter().map(|on| (sid.to_owned(), action.to_owned(), (*on).to_owned())).collect::<Vec<_>>();
        several(&statement["Action"]).into_iter().flat_map(pair).collect()
    };
    statements.iter().flat_map(of).collect()
}

/// The grants that allow what is asked; none: it is denied.
pub fn allowing(policy: &Value, ask: &Ask) -> BTreeSet<Grant> {
    let statements = policy["Statement"].as_array().expect("statements");
    let mut found = BTreeSet::new();
    for statement in statements.iter().filter(|statement| statement["Effect"] == "Allow") {
        let actions = several(&statement["Action"]).into_iter().filter(|action| matches(action, &ask.action));
        for action in actions.filter(|_| holds(&statement["Condition"], &ask.context)) {
            let resources = several(&statement["Resource"]).into_iter().filter(|resource| matches(resource, &ask.resource));
            let sid = statement["Sid"].as_str().expect("a Sid");
            found.extend(resources.map(|resource| (sid.to_owned(), action.to_owned(), resource.to_owned())));
        }
    }
    found
}
