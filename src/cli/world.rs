//! World files: the built-in one, or one that is named; what a capture says of itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::context::Context;
use super::inputs::{self, MOST_DATA};
use super::runbooks;
use crate::model::{Error, Runbook};
use crate::runbook::built_in_world;
use crate::sim::State;

/// A world file as it was read.
pub struct WorldFile {
    /// The path as given.
    pub path: String,
    /// Its content: JSON, and no more is known of it.
    pub world: Value,
    /// The variables that it brings along, as a variable file with its name.
    pub variables: Vec<(String, String)>,
    /// The runbook that it was captured for: a file, or the name of a shipped one.
    pub runbook: Option<String>,
}

impl WorldFile {
    /// Reads one; when none is named, the built-in world that is for the runbook of this name, or of a file of this name, or else the
    /// default runbook's.
    ///
    /// # Errors
    /// [`Error::FileUnreadable`]; [`Error::WorldInvalid`] for what is no JSON, or names runbook and variables in a wrong way.
    pub fn read(path: Option<&Path>, of: Option<&str>) -> Result<Self, Error> {
        let Some(path) = path else { return Self::built_in(of) };
        let shown = path.display().to_string();
        let text = inputs::read(path, "world file", MOST_DATA)?;
        let world: Value =
            serde_json::from_str(&text).map_err(|error| invalid(&shown, format!("it is not JSON: {error}"), None))?;
        let variables = variables(&shown, &world)?;
        let runbook = runbook(&shown, &world)?;
        Ok(Self { path: shown, world, variables, runbook })
    }

    fn built_in(runbook: Option<&str>) -> Result<Self, Error> {
        let stem = runbook.and_then(|named| Path::new(named).file_stem()?.to_str());
        let Some(world) = stem.and_then(built_in_world).or_else(|| built_in_world(runbooks::DEFAULT)) else {
            return Err(Error::Internal { message: "there is no built-in world".to_owned() });
        };
        let text = serde_json::from_str(world.text).map_err(|error| Error::Internal { message: error.to_string() })?;
        let variables = vec![(format!("<built-in>/{}.tfvars", world.name), world.variables.to_owned())];
        Ok(Self { path: format!("<built-in>/{}.json", world.name), world: text, variables, runbook: None })
    }

    /// The account in it. Every draw is decided by `seed`.
    ///
    /// # Errors
    /// [`Error::WorldInvalid`].
    pub fn load(&self, seed: u64) -> Result<State, Error> {
        State::load(&self.world, seed).map_err(|why| self.invalid(why))
    }

    /// The error of this file, with what is wrong with it.
    pub fn invalid(&self, why: String) -> Error {
        invalid(&self.path, why, None)
    }

    /// Refuses a runbook for another account or Region.
    ///
    /// # Errors
    /// [`Error::WorldInvalid`].
    pub fn fits(&self, runbook: &Runbook) -> Result<(), Error> {
        for member in ["region", "account"] {
            let wanted = runbooks::target(runbook, member);
            let found = self.world[member].as_str().unwrap_or_default();
            if !wanted.is_empty() && wanted != found {
                let why = format!("`{member}` is {found}, and runbook `{}` is for {wanted}", runbook.name);
                let hint = format!("capture the right account and Region, or set {}", runbook.target_setting(member));
                return Err(invalid(&self.path, why, Some(hint)));
            }
        }
        Ok(())
    }

    /// Says what the capture could not see: what happens there is not rehearsed.
    pub fn tell_missing(&self, context: &Context) {
        let entries: Vec<&Value> = self.world["missing"].as_array().into_iter().flatten().collect();
        if entries.is_empty() {
            return;
        }
        if context.json() {
            context.line(json!({ "event": "world", "path": self.path, "missing": entries }));
            return;
        }
        context.out.status(&format!("`{}` lacks what could not be read when it was captured:", self.path));
        for entry in entries {
            let of = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            context.out.status(&missing(&of("operation"), &of("resource"), &of("why")));
        }
    }
}

/// One thing that could not be read, as it is said.
pub fn missing(operation: &str, resource: &str, why: &str) -> String {
    let of = if resource == "*" { String::new() } else { format!(" for {resource}") };
    format!("  {operation}{of}: {why}")
}

fn invalid(path: &str, why: String, hint: Option<String>) -> Error {
    Error::WorldInvalid { path: path.to_owned(), why, hint }
}

fn variables(path: &str, world: &Value) -> Result<Vec<(String, String)>, Error> {
    match world.get("variables") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(members)) => {
            let values: BTreeMap<String, Value> = members.clone().into_iter().collect();
            Ok(vec![(format!("{path} (variables)"), runbooks::variables_as_hcl(&values))])
        }
        Some(_) => Err(invalid(path, "`variables` is not an object".to_owned(), None)),
    }
}

fn runbook(path: &str, world: &Value) -> Result<Option<String>, Error> {
    let Some(named) = world.get("runbook").filter(|named| !named.is_null()) else { return Ok(None) };
    match named["path"].as_str().or_else(|| named["name"].as_str()) {
        Some(found) => Ok(Some(found.to_owned())),
        None => Err(invalid(path, "`runbook` has no `name`".to_owned(), None)),
    }
}
