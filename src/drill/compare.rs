//! Whether two worlds are the same. They are compared whole, but for one written list: [`IGNORED`] below, the ids that AWS
//! generates (each replaced by what it names), and, where a run went back, [`LEFTOVERS`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aws::task_definition::TaskDefinition;
use crate::sim::{Effect, Millis};

/// Until everything under way has come to rest: the slowest deregistration, a health check or two.
pub const REST: Millis = 10 * 60_000;

/// Whether a world has come to rest, as it was [`REST`] ago and as it is now: the same tasks run, as many as are wanted, and no service
/// is between two revisions.
pub fn at_rest(before: &Value, now: &Value) -> bool {
    let tasks = |world: &Value| {
        let tasks = entries(&world["ecs"]["tasks"]).filter(|task| task["desiredStatus"] == "RUNNING");
        tasks.map(|task| (text(&task["taskArn"]).to_owned(), text(&task["lastStatus"]).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let steady = |service: &Value| match text(&service["status"]) {
        "ACTIVE" => {
            let one = entries(&service["deployments"]).count() == 1;
            let over = entries(&service["deployments"]).all(|deployment| deployment["rolloutState"] != "IN_PROGRESS");
            one && over && service["runningCount"] == service["desiredCount"]
        }
        status => status != "DRAINING",
    };
    tasks(before) == tasks(now) && entries(&now["ecs"]["services"]).all(steady)
}

/// What two equal worlds may differ in, as paths (`*` stands for any member or entry), each with its reason.
pub const IGNORED: &[(&str, &str)] = &[
    ("capturedAt", "time"),
    // Log events come with time, and what counts them.
    ("logs.logEvents", "log events"),
    ("logs.logStreams", "log events"),
    ("logs.logGroups.*.creationTime", "time"),
    ("logs.logGroups.*.storedBytes", "log events"),
    // Where a task landed and when: the scheduler draws.
    ("ecs.tasks.*.createdAt", "time"),
    ("ecs.tasks.*.startedAt", "time"),
    ("ecs.tasks.*.connectivityAt", "time"),
    ("ecs.tasks.*.pullStartedAt", "time"),
    ("ecs.tasks.*.pullStoppedAt", "time"),
    ("ecs.tasks.*.availabilityZone", "drawn by the scheduler"),
    ("ecs.tasks.*.attachments.*.details", "address and interface, drawn"),
    ("ecs.tasks.*.containers.*.networkInterfaces", "address, drawn"),
    ("ecs.services.*.createdAt", "time"),
    ("ecs.services.*.events", "told as time goes on"),
    ("ecs.services.*.deployments.*.createdAt", "time"),
    ("ecs.services.*.deployments.*.updatedAt", "time"),
    ("ecs.taskDefinitions.*.taskDefinition.registeredAt", "time"),
    ("ecs.taskDefinitions.*.taskDefinition.deregisteredAt", "time"),
    ("ecs.serviceDeployments.*.createdAt", "time"),
    ("ecs.serviceDeployments.*.startedAt", "time"),
    ("ecs.serviceDeployments.*.updatedAt", "time"),
    ("ecs.serviceDeployments.*.finishedAt", "time"),
    ("ecs.serviceRevisions.*.createdAt", "time"),
    ("servicediscovery.services.*.CreateDate", "time"),
    ("elbv2.targetHealth.*.*.Target.AvailabilityZone", "where the task landed"),
    ("servicediscovery.instances.*.*.Attributes.AVAILABILITY_ZONE", "where the task landed"),
];

/// Ids that AWS generates, and that nothing else in the world refers to. Those that something refers to count by what they name.
pub const GENERATED: &[(&str, &str)] = &[
    ("ecs.tasks.*.attachments.*.id", "drawn"),
    ("ecs.tasks.*.containers.*.containerArn", "drawn"),
    ("ecs.services.*.tags.*[sidestep:token].value", "an attempt's token, drawn"),
    ("ecs.taskDefinitions.*.tags.*[sidestep:token].value", "an attempt's token, drawn"),
    ("logs.tags.*.sidestep:token", "an attempt's token, drawn"),
    ("ec2.securityGroupRules.*.SecurityGroupRuleId", "drawn"),
    ("ec2.securityGroupRules.*.Tags.*[sidestep:token].Value", "an attempt's token, drawn"),
];

/// What a run that went back may leave behind.
pub const LEFTOVERS: &[(&str, &str)] = &[
    ("ecs.taskDefinitions", "INACTIVE revisions"),
    ("ecs.services", "INACTIVE services, which AWS shows for a while"),
    ("ecs.serviceDeployments", "AWS's own history of rollouts"),
    ("ecs.serviceRevisions", "AWS's own history of rollouts"),
];

/// What a part of a run that was made anew may differ in, further.
pub const ANEW: &[(&str, &str)] = &[("ecs.taskDefinitions.*.taskDefinition.revision", "numbers are used up")];

/// Lists whose order says nothing.
const UNORDERED: &[&str] = &[
    "ec2.securityGroupRules",
    "ecs.tasks",
    "ecs.services",
    "ecs.taskDefinitions",
    "ecs.serviceDeployments",
    "ecs.serviceRevisions",
    "elbv2.targetHealth.*",
    "servicediscovery.services",
    "servicediscovery.instances.*",
    "logs.logGroups",
];

/// How strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// But for [`IGNORED`].
    Whole,
    /// The same, whichever run made it: the ids of runs in our own tags are set aside.
    AnotherRun,
    /// But for [`IGNORED`] and [`LEFTOVERS`]; the run's copy of an INACTIVE revision counts as that revision.
    WentBack,
    /// The same, and revisions by their order among those that are ACTIVE: a run that went back has used up numbers.
    BackAndForth,
}

/// The differences, one line each; none when the worlds are the same.
pub fn differences(wanted: &Value, found: &Value, how: How) -> Vec<String> {
    differences_to(&normal(wanted, how), found, how)
}

/// The same to a world that is in its normal form already.
pub fn differences_to(wanted: &Value, found: &Value, how: How) -> Vec<String> {
    let mut lines = Vec::new();
    differ("", wanted, &normal(found, how), &mut lines);
    lines
}

/// The mutations that took effect, without when and under which ids.
pub fn effects(ledger: &[Effect], world: &Value) -> Vec<String> {
    let ids = Ids::of(world);
    let mut lines: Vec<String> =
        ledger.iter().map(|effect| format!("{} {} by {}", effect.action, ids.replaced(&effect.resource), effect.caller)).collect();
    lines.sort();
    lines
}

/// A world in the form in which equal ones are equal.
pub fn normal(world: &Value, how: How) -> Value {
    let mut world = world.clone();
    let mut ids = Ids::of(&world);
    if how == How::BackAndForth {
        ids.number_revisions(&world);
    }
    if matches!(how, How::AnotherRun | How::BackAndForth) {
        forget_runs(&mut world);
    }
    drop_stopped(&mut world);
    drop_no_tags(&mut world);
    if matches!(how, How::WentBack | How::BackAndForth) {
        // ECS lets nobody return to an INACTIVE revision: a copy of it stands for it.
        ids.0.extend(drop_copies(&mut world));
    }
    if matches!(how, How::WentBack | How::BackAndForth) {
        drop_leftovers(&mut world);
    }
    let also = if how == How::BackAndForth { ANEW } else { &[] };
    for (path, _) in IGNORED.iter().chain(also) {
        remove(&mut world, &path.split('.').collect::<Vec<_>>());
    }
    ids.replace(&mut world);
    for path in UNORDERED {
        sort(&mut world, &path.split('.').collect::<Vec<_>>());
    }
    world
}

/// Stopped tasks are described for an hour: time alone removes them.
fn drop_stopped(world: &mut Value) {
    retain(&mut world["ecs"]["tasks"], |task| task["lastStatus"] != "STOPPED");
}

/// A service without tags and one with an empty list of them are the same to AWS; a world file may leave the list out.
fn drop_no_tags(world: &mut Value) {
    for service in world["ecs"]["services"].as_array_mut().into_iter().flatten() {
        if let Some(service) = service.as_object_mut().filter(|service| service.get("tags").is_some_and(|tags| *tags == json!([])))
        {
            service.remove("tags");
        }
    }
}

/// Takes out the run's own copies of INACTIVE revisions; each with the name of its original.
fn drop_copies(world: &mut Value) -> BTreeMap<String, String> {
    const STEP: &str = "sidestep:step";
    let content = |known: &Value| TaskDefinition { body: known["taskDefinition"].clone(), tags: Vec::new() }.content_digest();
    let list = world["ecs"]["taskDefinitions"].as_array().cloned().unwrap_or_default();
    let name = |known: &Value| last(&known["taskDefinition"]["taskDefinitionArn"]).to_owned();
    let inactive = |known: &Value| known["taskDefinition"]["status"] == "INACTIVE";
    let originals: Vec<&Value> = list.iter().filter(|known| inactive(known)).collect();
    let made_by =
        |tag: &Value| tag["key"] == STEP && text(&tag["value"]).rsplit('/').next().is_some_and(|step| step.starts_with("copy"));
    let ours = |known: &&Value| !inactive(known) && entries(&known["tags"]).any(made_by);
    let mut copies = BTreeMap::new();
    for copy in list.iter().filter(ours) {
        if let Some(original) = originals.iter().find(|original| content(original) == content(copy)) {
            copies.insert(name(copy), name(original));
        }
    }
    retain(&mut world["ecs"]["taskDefinitions"], |known| !copies.contains_key(last(&known["taskDefinition"]["taskDefinitionArn"])));
    copies
}

fn drop_leftovers(world: &mut Value) {
    let ecs = &mut world["ecs"];
    retain(&mut ecs["taskDefinitions"], |known| known["taskDefinition"]["status"] != "INACTIVE");
    retain(&mut ecs["services"], |service| service["status"] != "INACTIVE");
    for history in ["serviceDeployments", "serviceRevisions"] {
        if let Some(ecs) = ecs.as_object_mut() {
            ecs.remove(history);
        }
    }
}

fn retain(list: &mut Value, keep: impl FnMut(&Value) -> bool) {
    if let Some(list) = list.as_array_mut() {
        list.retain(keep);
    }
}

/// Ids that AWS generates, each with what it names.
struct Ids(BTreeMap<String, String>);

impl Ids {
    fn of(world: &Value) -> Self {
        let mut ids = BTreeMap::new();
        let mut note = |id: &str, name: String| {
            if !id.is_empty() {
                ids.insert(id.to_owned(), name);
            }
        };
        for task in entries(&world["ecs"]["tasks"]) {
            let of = format!("{} on {}", last(&task["group"]), last(&task["taskDefinitionArn"]));
            note(last(&task["taskArn"]), format!("<task of {of}>"));
            for detail in entries(&task["attachments"]).flat_map(|attachment| entries(&attachment["details"])) {
                match detail["name"].as_str() {
                    Some("privateIPv4Address") => note(text(&detail["value"]), format!("<address of {of}>")),
                    Some("networkInterfaceId") => note(text(&detail["value"]), format!("<interface of {of}>")),
                    _ => {}
                }
            }
            for id in entries(&task["attachments"]).map(|attachment| &attachment["id"]) {
                note(text(id), format!("<attachment of {of}>"));
            }
            for container in entries(&task["containers"]) {
                note(last(&container["containerArn"]), format!("<container of {of}>"));
                note(text(&container["runtimeId"]), format!("<runtime of {of}>"));
            }
        }
        for service in entries(&world["ecs"]["services"]) {
            for deployment in entries(&service["deployments"]) {
                let of = format!("{} of {}", last(&deployment["taskDefinition"]), text(&service["serviceName"]));
                note(text(&deployment["id"]), format!("<deployment of {of}>"));
            }
        }
        for revision in entries(&world["ecs"]["serviceRevisions"]) {
            let of = format!("{} of {}", last(&revision["taskDefinition"]), last(&revision["serviceArn"]));
            note(last(&revision["serviceRevisionArn"]), format!("<revision with {of}>"));
        }
        for rollout in entries(&world["ecs"]["serviceDeployments"]) {
            note(last(&rollout["serviceDeploymentArn"]), format!("<rollout of {}>", last(&rollout["serviceArn"])));
        }
        for service in entries(&world["servicediscovery"]["services"]) {
            note(text(&service["Id"]), format!("<name {}>", text(&service["Name"])));
            note(text(&service["CreatorRequestId"]), format!("<creator of {}>", text(&service["Name"])));
        }
        for rule in entries(&world["ec2"]["securityGroupRules"]) {
            let ports = format!("{} {}-{}", text(&rule["IpProtocol"]), rule["FromPort"], rule["ToPort"]);
            let peer = &rule["ReferencedGroupInfo"]["GroupId"];
            note(text(&rule["SecurityGroupRuleId"]), format!("<rule {ports} from {peer} to {}>", text(&rule["GroupId"])));
        }
        note_tokens(world, &mut note);
        Self(ids)
    }

    /// Names ACTIVE revisions by their place in the family.
    fn number_revisions(&mut self, world: &Value) {
        let mut families: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
        for known in entries(&world["ecs"]["taskDefinitions"]).map(|known| &known["taskDefinition"]) {
            if known["status"] != "INACTIVE"
                && let Some((family, number)) = last(&known["taskDefinitionArn"]).split_once(':')
            {
                let revisions = families.entry(family).or_default();
                revisions.push((number.parse().unwrap_or(0), last(&known["taskDefinitionArn"])));
            }
        }
        for (family, mut revisions) in families {
            revisions.sort_unstable();
            for (place, (_, name)) in revisions.iter().enumerate() {
                self.0.insert((*name).to_owned(), format!("<{family} #{}>", place + 1));
            }
        }
    }

    fn replaced(&self, text: &str) -> String {
        let mut out = text.to_owned();
        // Most texts have no digit, and most ids have one.
        let digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
        let bare = !digit(text);
        for (id, name) in &self.0 {
            // Most texts are shorter than any id.
            if id.len() <= out.len() && !(bare && digit(id)) && out.contains(id.as_str()) {
                out = out.replace(id.as_str(), name);
            }
        }
        out
    }

    fn replace(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.replaced(text),
            Value::Array(list) => list.iter_mut().for_each(|entry| self.replace(entry)),
            Value::Object(members) => {
                for (name, mut value) in std::mem::take(members) {
                    self.replace(&mut value);
                    // Two tasks of one service have one name: both stay.
                    let mut name = self.replaced(&name);
                    while members.contains_key(&name) {
                        name.push('+');
                    }
                    members.insert(name, value);
                }
            }
            _ => {}
        }
    }
}

/// The values of our own tags that differ from attempt to attempt, wherever a tag holds one.
fn note_tokens(value: &Value, note: &mut impl FnMut(&str, String)) {
    const TAG: &str = "sidestep:token";
    match value {
        Value::Array(list) => list.iter().for_each(|entry| note_tokens(entry, note)),
        Value::Object(members) => {
            if members.get("key").or_else(|| members.get("Key")).is_some_and(|key| key == TAG) {
                note(text(members.get("value").or_else(|| members.get("Value")).unwrap_or(&Value::Null)), "<token>".to_owned());
            }
            if let Some(token) = members.get(TAG) {
                note(text(token), "<token>".to_owned());
            }
            members.values().for_each(|member| note_tokens(member, note));
        }
        _ => {}
    }
}

/// Sets aside which run our own tags name, and our own descriptions. There alone: four characters may stand anywhere by chance.
fn forget_runs(value: &mut Value) {
    const TAG: &str = "sidestep:run";
    const DESCRIBED: &str = "(sidestep run ";
    match value {
        Value::Array(list) => list.iter_mut().for_each(forget_runs),
        Value::Object(members) => {
            let named = ["key", "Key"].iter().any(|key| members.get(*key).is_some_and(|key| key == TAG));
            let values: &[&str] = if named { &["value", "Value", TAG] } else { &[TAG] };
            for name in values {
                if let Some(run) = members.get_mut(*name) {
                    *run = Value::from("<run>");
                }
            }
            if let Some(Value::String(text)) = members.get_mut("Description")
                && let Some(at) = text.find(DESCRIBED)
            {
                text.replace_range(at + DESCRIBED.len().., "<run>)");
            }
            members.values_mut().for_each(forget_runs);
        }
        _ => {}
    }
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What follows the last slash of an ARN, or the last colon of a group.
fn last(value: &Value) -> &str {
    let text = text(value);
    text.rsplit(['/']).next().unwrap_or(text)
}

/// Removes what is at a path.
fn remove(value: &mut Value, path: &[&str]) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        if let Some(members) = value.as_object_mut() {
            members.remove(*first);
        }
        return;
    }
    for next in step(value, first) {
        remove(next, rest);
    }
}

fn sort(value: &mut Value, path: &[&str]) {
    let [first, rest @ ..] = path else {
        if let Some(list) = value.as_array_mut() {
            list.sort_by_key(Value::to_string);
        }
        return;
    };
    for next in step(value, first) {
        sort(next, rest);
    }
}

fn step<'a>(value: &'a mut Value, name: &str) -> Vec<&'a mut Value> {
    match value {
        Value::Array(list) if name == "*" => list.iter_mut().collect(),
        Value::Object(members) => {
            members.iter_mut().filter(|(known, _)| name == "*" || *known == name).map(|(_, next)| next).collect()
        }
        _ => Vec::new(),
    }
}

fn differ(path: &str, wanted: &Value, found: &Value, lines: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let names: std::collections::BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
            for name in names {
                let at = format!("{path}/{name}");
                match (wanted.get(name), found.get(name)) {
                    (Some(wanted), Some(found)) => differ(&at, wanted, found, lines),
                    (wanted, found) => lines.push(format!("{at}: {} → {}", shown(wanted), shown(found))),
                }
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                differ(&format!("{path}/{index}"), wanted, found, lines);
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => lines.push(format!("{path}: {} → {}", shown(Some(wanted)), shown(Some(found)))),
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "absent".to_owned(), Value::to_string);
    if text.len() > 400 { format!("{}…", text.chars().take(400).collect::<String>()) } else { text }
}
