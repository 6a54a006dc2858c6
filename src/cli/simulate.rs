//! `sidestep simulate`: serves a simulated account on loopback.

use serde_json::json;

use super::args::SimulateArgs;
use super::context::Context;
use super::world::WorldFile;
use crate::model::{Error, Exit};
use crate::sim::server::{Options, serve};
use crate::sim::{Sim, State};

pub fn call(context: &Context, args: &SimulateArgs) -> Result<Exit, Error> {
    let file = WorldFile::read(args.world.as_deref(), None)?;
    let world = &file.world;
    // Clients bring the wall's time along (`aws logs tail` asks for the last ten minutes), so the world begins now.
    let now = context.clock()?.now().as_millisecond();
    let state = State::load_at(world, args.seed, now).map_err(|why| file.invalid(why))?;
    context.runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await;
        let listener =
            listener.map_err(|error| Error::Usage { message: format!("cannot listen on {}: {error}", args.listen), hint: None })?;
        let address = listener.local_addr().map_err(|error| Error::Internal { message: error.to_string() })?;
        let line = json!({ "event": "serving", "address": address.to_string(), "endpoint": format!("http://{address}"), "region": world["region"],
            "account": world["account"], "speed": args.speed, "seed": args.seed });
        if !address.ip().is_loopback() {
            context.out.status(&format!(
                "warning: {address} is not loopback: whoever reaches it can read this world and change it, no credentials are checked"
            ));
        }
        context.line(line);
        if context.out.unwritten().is_some() {
            // Nobody knows the address.
            return Ok(Exit::Done);
        }
        let stop = Box::pin(async {
            // Without the signal there is only the second way out: being killed.
            let _ = tokio::signal::ctrl_c().await;
        });
        let served = serve(listener, Sim::new(state), Options { speed: args.speed, stop }).await;
        served.map(|()| Exit::Done).map_err(|error| Error::Internal { message: format!("serving ended: {error}") })
    })
}
