//! World files: a capture of all that a run can see of one account and Region, in and out.
//!
//! Objects stand as the AWS CLI prints them, so they are kept as they are; what the account changes is changed in them. Members
//! and whole services that nothing here knows are carried through.

use serde_json::{Map, Value, json};

use super::assumptions::Assumptions;
use super::faults::Faults;
use super::limits::Limits;
use super::queue::Queue;
use super::unseen::Unseen;
use super::values::{iso, millis, text};
use super::{Millis, State, cloudmap, ec2, ecs, elbv2, iam, logs, scaling, sts};

/// The members that this format gives a meaning.
const KNOWN: [&str; 13] = [
    "account",
    "applicationAutoScaling",
    "capturedAt",
    "ec2",
    "ecs",
    "elbv2",
    "format",
    "iam",
    "logs",
    "region",
    "servicediscovery",
    "sts",
    "version",
];

impl State {
    /// The account of a world file. `seed` decides every draw: two accounts of the same file and seed behave alike. Virtual time
    /// starts when the file was captured.
    ///
    /// # Errors
    /// What is wrong with the file, in words for the person who wrote it.
    pub fn load(world: &Value, seed: u64) -> Result<Self, String> {
        Self::empty(world, seed).and_then(|state| state.filled(world)).map_err(brief)
    }

    /// The same, but as if the file had been captured at `now`: for clients whose clock is the wall's (`aws logs tail` asks for
    /// the last ten minutes of it).
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_at(world: &Value, seed: u64, now: Millis) -> Result<Self, String> {
        let empty = Self::empty(world, seed).map(|state| Self { now, ..state });
        empty.and_then(|state| state.filled(world)).map_err(brief)
    }

    fn filled(mut self, world: &Value) -> Result<Self, String> {
        let state = &mut self;
        state.sts = sts::Sts::load(part(world, "sts")?, &state.account);
        state.iam = iam::Iam::load(part(world, "iam")?)?;
        state.scaling = scaling::Scaling::load(part(world, "applicationAutoScaling")?)?;
        state.logs = logs::Logs::load(part(world, "logs")?)?;
        let groups_seen = !state.unseen.refuses("ec2:DescribeSecurityGroups");
        state.ec2 = ec2::Ec2::load(part(world, "ec2")?, groups_seen)?;
        state.cloudmap = cloudmap::CloudMap::load(part(world, "servicediscovery")?, state.ec2.vpcs_without_dns())?;
        state.elbv2 = elbv2::Elbv2::load(part(world, "elbv2")?)?;
        ecs::load(state, part(world, "ecs")?)?;
        ecs::settle(state);
        elbv2::settle(state);
        Ok(self)
    }

    /// A world file of now.
    pub fn save(&self) -> Value {
        let mut world = self.extra.clone();
        let mut put = |name: &str, value: Value| world.insert(name.to_owned(), value);
        put("format", json!("sidestep-world"));
        put("version", json!(1));
        put("capturedAt", json!(iso(self.now)));
        put("account", json!(self.account));
        put("region", json!(self.region));
        put("sts", self.sts.save());
        put("logs", self.logs.save());
        put("ecs", ecs::save(self));
        put("servicediscovery", self.cloudmap.save());
        put("elbv2", self.elbv2.save());
        put("ec2", self.ec2.save());
        // Most accounts say nothing of these.
        for (name, part) in [("iam", self.iam.save()), ("applicationAutoScaling", self.scaling.save())] {
            world.extend(part.map(|part| (name.to_owned(), part)));
        }
        Value::Object(world)
    }

    /// An account with nothing in it, at the file's time and place.
    fn empty(world: &Value, seed: u64) -> Result<Self, String> {
        let members = world.as_object().ok_or("a world file is one JSON object")?;
        check_format(members)?;
        let account = text(world, "account").unwrap_or_default();
        if account.len() != 12 || !account.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err("`account` of the world must be the twelve digits of an AWS account, as text".to_owned());
        }
        let region = text(world, "region").filter(|region| !region.is_empty()).ok_or("`region` of the world is missing")?;
        let captured = members.get("capturedAt").ok_or("`capturedAt` of the world is missing")?;
        let now = millis(captured)
            .ok_or_else(|| format!("`capturedAt` of the world is neither epoch seconds nor an ISO time: {captured}"))?;
        let mut extra = members.clone();
        extra.retain(|name, _| !KNOWN.contains(&name.as_str()));
        Ok(Self {
            now,
            queue: Queue::default(),
            rng: fastrand::Rng::with_seed(seed),
            account: account.to_owned(),
            region: region.to_owned(),
            assume: Assumptions::default(),
            ecs: ecs::Ecs::default(),
            logs: logs::Logs::default(),
            cloudmap: cloudmap::CloudMap::default(),
            elbv2: elbv2::Elbv2::default(),
            ec2: ec2::Ec2::default(),
            sts: sts::Sts::default(),
            iam: iam::Iam::default(),
            scaling: scaling::Scaling::default(),
            ledger: Vec::new(),
            faults: Faults::default(),
            unseen: Unseen::load(members.get("missing"))?,
            limits: Limits::default(),
            request_ids: 0,
            extra,
        })
    }
}

/// The words, cut where something long from the file is quoted in them.
fn brief(words: String) -> String {
    const MOST: usize = 400;
    match words.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

fn check_format(members: &Map<String, Value>) -> Result<(), String> {
    match members.get("format") {
        Some(Value::String(format)) if format == "sidestep-world" => {}
        Some(other) => return Err(format!("not a world file: `format` is {other}, expected \"sidestep-world\"")),
        None => return Err("not a world file: `format` is missing, expected \"sidestep-world\"".to_owned()),
    }
    match members.get("version").map(|version| (version, version.as_u64())) {
        Some((_, Some(1))) => Ok(()),
        Some((version, _)) => Err(format!("world file version {version} is not known here; this program reads version 1")),
        None => Err("`version` of the world is missing, expected 1".to_owned()),
    }
}

/// What a service's part is made of.
struct Shapes {
    part: &'static str,
    lists: &'static [&'static str],
    /// Lists by name, id or ARN.
    maps_of_lists: &'static [&'static str],
    /// Maps by name, id or ARN.
    maps_of_maps: &'static [&'static str],
}

/// ECS sees to its own.
const SHAPES: [Shapes; 4] = [
    Shapes { part: "logs", lists: &["logGroups"], maps_of_lists: &["logStreams", "logEvents"], maps_of_maps: &["tags"] },
    Shapes {
        part: "servicediscovery",
        lists: &["namespaces", "services"],
        maps_of_lists: &["instances", "tags"],
        maps_of_maps: &["instancesHealth"],
    },
    Shapes {
        part: "elbv2",
        lists: &["loadBalancers", "listeners", "rules", "targetGroups"],
        maps_of_lists: &["targetGroupAttributes", "targetHealth", "tags"],
        maps_of_maps: &[],
    },
    Shapes { part: "ec2", lists: &["securityGroups", "subnets", "vpcs", "routeTables"], maps_of_lists: &[], maps_of_maps: &[] },
];

/// Refuses a member of a wrong type: read as absent, it would be missed without a word.
fn shapes(part: &str, members: &Map<String, Value>) -> Result<(), String> {
    let Some(shapes) = SHAPES.iter().find(|shapes| shapes.part == part) else { return Ok(()) };
    let told = |names: &'static [&'static str]| {
        let there = names.iter().filter_map(|name| Some((*name, members.get(*name)?)));
        there.filter(|(_, value)| !value.is_null())
    };
    for (name, value) in told(shapes.lists) {
        if !value.is_array() {
            return Err(format!("`{part}.{name}` is not a list"));
        }
    }
    for (names, inner, fits) in [
        (shapes.maps_of_lists, "a list", Value::is_array as fn(&Value) -> bool),
        (shapes.maps_of_maps, "an object", Value::is_object as fn(&Value) -> bool),
    ] {
        for (name, value) in told(names) {
            let entries = value.as_object().ok_or_else(|| format!("`{part}.{name}` is not an object"))?;
            if let Some((key, _)) = entries.iter().find(|(_, value)| !fits(value)) {
                return Err(format!("`{part}.{name}` of {key} is not {inner}"));
            }
        }
    }
    Ok(())
}

/// A service's part; absent is empty.
fn part<'a>(world: &'a Value, name: &str) -> Result<&'a Value, String> {
    const EMPTY: &Value = &Value::Null;
    match world.get(name) {
        None | Some(Value::Null) => Ok(EMPTY),
        Some(part @ Value::Object(members)) => shapes(name, members).map(|()| part),
        Some(_) => Err(format!("`{name}` of the world must be an object")),
    }
}
