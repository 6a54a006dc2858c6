//! The simulator as the SDK's HTTP client, in the same process.
//!
//! ```text
//!   SDK operation ─▶ SimConnector::call
//!                      1. the whole body is there, and as long as its content-length says
//!                      2. the request happens in the account, at the virtual now    (no await before this)
//!                      3. the answer travels for the virtual latency
//! ```
//!
//! A caller that gives up (a time-out drops the future) therefore never undoes an effect, as on a real wire.

use std::fmt;
use std::io;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected};

use super::{Handled, Millis, Sim, SimClock};

/// An SDK HTTP client that never leaves the process.
#[derive(Clone)]
pub struct SimConnector {
    sim: Sim,
    clock: SimClock,
    latency: Millis,
}

impl fmt::Debug for SimConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimConnector")
    }
}

impl SimConnector {
    /// A client of `sim` whose clock starts at the world's time now. Make it inside the runtime that drives the clients.
    pub fn new(sim: Sim) -> Self {
        let start = sim.with(|state| state.now);
        Self::with_clock(sim, SimClock::new(start, 1.0))
    }

    /// A client of `sim` on a clock that others share.
    pub fn with_clock(sim: Sim, clock: SimClock) -> Self {
        let latency = sim.with(|state| state.assume.control.latency);
        Self { sim, clock, latency }
    }

    /// The clock; give it to the SDK as time source, so that signatures and credential expiry follow virtual time.
    pub fn clock(&self) -> SimClock {
        self.clock.clone()
    }

    /// The account behind this client.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The whole request is here: it happens now.
    fn arrived(
        &self,
        parts: http::request::Parts,
        body: Result<Collected<Bytes>, aws_smithy_types::body::Error>,
    ) -> Result<Handled, ConnectorError> {
        let bytes = body.map_err(ConnectorError::user)?.to_bytes();
        let request = Request::from_parts(parts, bytes);
        whole(&request)?;
        Ok(self.sim.handle(self.clock.now_millis(), request))
    }

    async fn answer(self, handled: Handled) -> Result<HttpResponse, ConnectorError> {
        let travel = |millis| self.clock.sleep(millis);
        match handled {
            Handled::Respond(response) => {
                travel(self.latency).await;
                sdk_response(response)
            }
            Handled::Late(by, response) => {
                travel(self.latency + by).await;
                sdk_response(response)
            }
            Handled::DropBefore | Handled::DropAfter => {
                travel(self.latency).await;
                let closed = io::Error::new(io::ErrorKind::ConnectionReset, "connection closed before message completed");
                Err(ConnectorError::io(closed.into()))
            }
            Handled::Hold => std::future::pending().await,
        }
    }
}

impl HttpConnector for SimConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let (parts, body) = request.into_parts();
        // Read to its end even though it is in memory: the SDK takes an unread body for a stalled upload.
        let mut collected = Box::pin(body.collect());
        if let Some(read) = (&mut collected).now_or_never() {
            return match this.arrived(parts, read) {
                Ok(handled) => HttpConnectorFuture::new(this.answer(handled)),
                Err(error) => HttpConnectorFuture::ready(Err(error)),
            };
        }
        HttpConnectorFuture::new(async move {
            let handled = this.arrived(parts, collected.await)?;
            this.answer(handled).await
        })
    }
}

impl HttpClient for SimConnector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A wrong content-length cuts the body off on a real wire; here it is an error at once.
fn whole(request: &Request<Bytes>) -> Result<(), ConnectorError> {
    let Some(said) = request.headers().get("content-length") else {
        return Ok(());
    };
    let actual = request.body().len();
    if said.to_str().ok().and_then(|said| said.parse::<usize>().ok()) == Some(actual) {
        return Ok(());
    }
    let message = format!("content-length {said:?} but the body has {actual} bytes");
    Err(ConnectorError::user(io::Error::new(io::ErrorKind::InvalidInput, message).into()))
}

fn sdk_response(response: Response<Bytes>) -> Result<HttpResponse, ConnectorError> {
    HttpResponse::try_from(response.map(SdkBody::from)).map_err(|error| ConnectorError::other(error.into(), None))
}
