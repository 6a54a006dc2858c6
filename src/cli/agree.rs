//! Whether the operator agrees to a plan: at the terminal, or by what the command line says already.
//!
//! | said | environment | agreed |
//! | --- | --- | --- |
//! | `--confirm` with its name | any | yes |
//! | `--confirm` with another name | any | refused |
//! | `--yes` | any but prod and production | yes |
//! | `--yes` | prod, production | asked at the terminal for its name, else refused |
//! | nothing | any | asked at the terminal, else refused |

use super::context::Context;
use crate::model::{Error, Plan};
use crate::ui::Ask;
use crate::ui::prompt::is_production;

/// What the command line says of it.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// `--yes`.
    pub yes: bool,
    /// `--confirm`.
    pub confirm: Option<String>,
}

/// See the module's text. None: nobody can be asked.
///
/// # Errors
/// [`Error::NotConfirmed`] where the environment had to be named, or another was.
pub fn to_start(context: &Context, plan: &Plan, said: &Said, ask: &mut Option<Box<dyn Ask>>) -> Result<Option<bool>, Error> {
    to(context, plan, said, ask, |ask| ask.confirm_start(plan))
}

/// The same for a run's amended plan.
///
/// # Errors
/// As [`to_start`].
pub fn to_amend(context: &Context, plan: &Plan, said: &Said, ask: &mut Option<Box<dyn Ask>>) -> Result<Option<bool>, Error> {
    to(context, plan, said, ask, |ask| ask.confirm_amended(plan))
}

fn to(
    context: &Context,
    plan: &Plan,
    said: &Said,
    ask: &mut Option<Box<dyn Ask>>,
    confirm: impl FnOnce(&mut dyn Ask) -> bool,
) -> Result<Option<bool>, Error> {
    let environment = plan.target.environment.clone();
    match &said.confirm {
        Some(named) if *named == environment => return Ok(Some(true)),
        Some(named) => {
            let message = format!("`--confirm {named}` names another environment than the runbook: {environment}");
            return Err(Error::NotConfirmed { message, environment });
        }
        None => {}
    }
    if said.yes && !is_production(&environment) {
        return Ok(Some(true));
    }
    if let Some(ask) = ask {
        return Ok(Some(confirm(ask.as_mut())));
    }
    match context.ask() {
        Some(mut ask) => Ok(Some(confirm(ask.as_mut()))),
        None if said.yes => {
            let message = format!("`--yes` alone starts nothing in {environment}");
            Err(Error::NotConfirmed { message, environment })
        }
        None => Ok(None),
    }
}
