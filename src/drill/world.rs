//! Worlds that a run can come back to.

use serde_json::{Value, json};

use super::compare::REST;
use super::lab::foreign;
use crate::sim::{Sim, State};

/// A world in which every task was started by the account itself: the services were deployed once more, and all is at rest.
/// A captured task lacks members that a task of the same service started later has, so only such a world can be come back to
/// exactly.
///
/// # Errors
/// Why the world cannot be loaded, or what AWS says to the deployment.
pub fn lived_in(world: &Value, seed: u64, cluster: &str, services: &[&str]) -> Result<State, String> {
    let state = State::load(world, seed)?;
    let region = state.region().to_owned();
    let now = state.now();
    let sim = Sim::new(state);
    for service in services {
        let input = json!({ "cluster": cluster, "service": service, "forceNewDeployment": true });
        foreign(&sim, now, &region, "UpdateService", &input)?;
    }
    Ok(sim.with(|state| {
        state.advance(now + 2 * REST);
        state.clone()
    }))
}
