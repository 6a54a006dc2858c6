//! The simulator over HTTP, for any AWS client: the same account and the same handling as in process.
//!
//! ```text
//!   POST /           ─▶ Sim::handle ─▶ answer | connection closed | never an answer
//!   /_sim/…          ─▶ control: world, ledger, requests, spans, clock, faults, mark, traffic, jaeger, http
//! ```
//!
//! Pages in a browser are refused: see `visitor`.

mod control;
#[cfg(test)]
mod tests;
mod visitor;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future;
use http::StatusCode;
use http::header::CONTENT_LENGTH;

use super::{Handled, Sim, SimClock};

/// Requests with a longer body are refused; AWS's own limit for these services is far below.
const MOST_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How the simulator is served.
pub struct Options {
    /// How many virtual seconds pass in one of the wall's. A client beside it scales its time-outs by the same factor.
    pub speed: f64,
    /// When this is done, no new request is taken, and [`serve`] returns when the answers under way are given.
    pub stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { speed: 1.0, stop: Box::pin(future::pending()) }
    }
}

/// What a request's handler needs.
#[derive(Clone)]
struct Front {
    sim: Sim,
    clock: SimClock,
    /// The mutation after whose next effect the clock stops.
    pause_after: Arc<Mutex<Option<String>>>,
    /// Done when serving shall end; a request that is held goes with it.
    stop: future::Shared<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Front {
    /// Stops the clock if the mutation that it waits for is among the effects from the given one on.
    fn pause_if_awaited(&self, from: usize) {
        let mut awaited = self.pause_after.lock().unwrap_or_else(PoisonError::into_inner);
        if awaited.is_some()
            && self.sim.with(|state| state.ledger.iter().skip(from).any(|effect| Some(&effect.action) == awaited.as_ref()))
        {
            // The account stands at the time of its last request: however long it took to get here, no later time is seen.
            self.clock.pause_at(self.sim.with(|state| state.now));
            *awaited = None;
        }
    }
}

/// Serves the account on the listener until it is told to stop. Virtual time starts at the world's and follows the wall's.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: tokio::net::TcpListener, sim: Sim, options: Options) -> io::Result<()> {
    let clock = SimClock::new(sim.with(|state| state.now), options.speed);
    let stop = options.stop.shared();
    let listened = listener.local_addr()?;
    let front = Front { sim, clock, pause_after: Arc::default(), stop: stop.clone() };
    // The length of a request's head is bounded by hyper (some 400 KB, a hundred headers): 431.
    let router = Router::new()
        .route("/_sim/world", get(control::world))
        .route("/_sim/ledger", get(control::ledger))
        .route("/_sim/requests", get(control::requests))
        .route("/_sim/spans", get(control::spans))
        .route("/_sim/clock", post(control::clock).get(control::now))
        .route("/_sim/faults", post(control::faults))
        .route("/_sim/mark", post(control::mark))
        .route("/_sim/traffic", post(control::traffic))
        .route("/_sim/http/{*address}", any(control::http))
        .route("/_sim/jaeger", any(control::jaeger))
        .route("/_sim/jaeger/{*path}", any(control::jaeger))
        .route("/_sim/{*other}", any(control::unknown))
        .fallback(aws)
        .layer(axum::middleware::from_fn(bounded))
        .layer(axum::middleware::from_fn_with_state(listened, welcome))
        .with_state(front);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// Refuses what a page in a browser sends.
async fn welcome(Shared(listened): Shared<SocketAddr>, request: Request, next: Next) -> Response {
    match visitor::refusal(request.uri(), request.headers(), listened) {
        Some(why) => (StatusCode::FORBIDDEN, format!("{why}\n")).into_response(),
        None => next.run(request).await,
    }
}

/// Refuses a body by its declared length: nobody has to send it to be told.
async fn bounded(request: Request, next: Next) -> Response {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > MOST_BODY_BYTES) {
        return too_long();
    }
    next.run(request).await
}

/// Every request that is not the simulator's own.
async fn aws(Shared(front): Shared<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MOST_BODY_BYTES).await else {
        return too_long();
    };
    let effects = front.sim.effects();
    let handled = front.sim.handle(front.clock.now_millis(), http::Request::from_parts(parts, bytes));
    front.pause_if_awaited(effects);
    match handled {
        Handled::Respond(response) => response.map(Body::from),
        Handled::Late(by, response) => {
            front.clock.sleep(by).await;
            response.map(Body::from)
        }
        Handled::DropBefore | Handled::DropAfter => closed(),
        Handled::Hold => {
            front.stop.await;
            closed()
        }
    }
}

fn too_long() -> Response {
    (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long or broke off\n").into_response()
}

/// An answer that breaks off before its first byte of body: the client sees the connection close.
fn closed() -> Response {
    let broken = futures_util::stream::once(future::ready(Err::<Bytes, io::Error>(io::ErrorKind::ConnectionReset.into())));
    Response::new(Body::from_stream(broken))
}
