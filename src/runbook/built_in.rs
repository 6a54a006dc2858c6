//! The runbooks that are part of the program, each with the world that it is rehearsed on.

use crate::model::SourceFile;

/// A shipped runbook.
struct Shipped {
    name: &'static str,
    path: &'static str,
    text: &'static str,
    world: World,
}

/// A world file that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// The world file.
    pub text: &'static str,
    /// The variable file that it brings along.
    pub variables: &'static str,
}

macro_rules! shipped {
    ($($name:literal on $world:literal),+ $(,)?) => {
        &[$(Shipped {
            name: $name,
            path: concat!("runbooks/", $name, ".hcl"),
            text: include_str!(concat!("../../runbooks/", $name, ".hcl")),
            world: World {
                name: $world,
                text: include_str!(concat!("../../runbooks/worlds/", $world, ".json")),
                variables: include_str!(concat!("../../runbooks/worlds/", $world, ".tfvars")),
            },
        }),+]
    };
}

/// The default first.
const SHIPPED: &[Shipped] = shipped![
    "jaeger-sidecar-to-shared" on "nexus-ai-staging",
    "otel-collector-sidecar-to-shared" on "nexus-ai-staging-otel",
    "xray-daemon-sidecar-to-shared" on "nexus-ai-staging-xray",
];

fn find(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|shipped| shipped.name == name)
}

/// The names of the shipped runbooks.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|shipped| shipped.name)
}

/// The text of a shipped runbook.
pub fn built_in(name: &str) -> Option<SourceFile> {
    find(name).map(|shipped| SourceFile { path: shipped.path.to_owned(), text: shipped.text.to_owned() })
}

/// The world that a shipped runbook is rehearsed on.
pub fn built_in_world(name: &str) -> Option<World> {
    find(name).map(|shipped| shipped.world)
}
