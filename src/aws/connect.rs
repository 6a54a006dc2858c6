//! How clients are made: the one function that builds every one of them, so that none escapes the guard, the time-outs and the
//! retry setting.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::bounded::{BoundedBody, MOST_ANSWER};
use super::clock::time_asleep;
use super::foreign;
use super::fresh::OwnWrites;
use super::guard::{Lease, ReadOnlyGuard};
use super::patience::WaitWatch;
use super::plain_http::{host_of, names_a_user};
use super::tally::Tally;
use super::tell::Teller;
use super::watch::ServiceWatch;
use super::{ATTEMPT_TIMEOUT, CallError, Clock, SETTLE_WINDOW};
use crate::model::{ApiWatch, Error, is_region_name};

/// What calls may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Operations that change nothing; anything else is refused before it is sent.
    ReadOnly,
    /// Everything.
    ReadWrite,
}

/// How to reach AWS.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--region`, or the Region that the runbook names.
    pub region: Option<String>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
}

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// The caller's ARN.
    pub arn: String,
}

/// The way to one AWS account and Region.
pub struct Aws {
    /// The clock that waits and time-outs follow.
    pub clock: Clock,
    /// The Region in use.
    pub region: String,
    /// The endpoint override, if there is one.
    pub endpoint_url: Option<String>,
    pub(super) config: SdkConfig,
    pub(super) access: Access,
    pub(super) tally: Tally,
    pub(super) ecs: aws_sdk_ecs::Client,
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    pub(super) names: aws_sdk_servicediscovery::Client,
    pub(super) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) watch: ServiceWatch,
    pub(super) own_writes: OwnWrites,
    pub(super) teller: Option<Teller>,
    pub(super) waits: Option<WaitWatch>,
    random: Mutex<fastrand::Rng>,
    sleep_meter: fn() -> Duration,
    lease: Mutex<Option<Lease>>,
}

/// One client of a service, with our settings over the shared ones.
macro_rules! client {
    ($sdk:ident, $config:expr, $access:expr, $tally:expr, $teller:expr) => {{
        let builder = $sdk::config::Builder::from($config).interceptor($tally.clone()).interceptor(BoundedBody(MOST_ANSWER));
        let builder = match $access {
            Access::ReadOnly => builder.interceptor(ReadOnlyGuard),
            Access::ReadWrite => builder,
        };
        let builder = match $teller {
            Some(teller) => builder.interceptor(Teller::clone(teller)),
            None => builder,
        };
        $sdk::Client::from_conf(builder.build())
    }};
}

impl Aws {
    /// Connects to a live account (or to whatever the endpoint override names), with the SDK's usual sources of settings.
    ///
    /// # Errors
    /// [`Error::Usage`] when no Region is known, or it can be none, or an endpoint is no address or carries a user name or password.
    pub async fn connect(options: &ConnectOptions, access: Access, clock: Clock, seed: u64) -> Result<Self, Error> {
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(&clock));
        if let Some(profile) = &options.profile {
            // As with the AWS CLI, a profile that is named goes before credentials in the environment: those may be another account's.
            let named = aws_config::profile::ProfileFileCredentialsProvider::builder().profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(named);
        }
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let hint = || Some("name one with `--region`, AWS_REGION, or the runbook's `target` block".to_owned());
        match config.region().map(Region::as_ref) {
            None => return Err(Error::Usage { message: "no AWS Region is set".to_owned(), hint: hint() }),
            // It is a part of the hosts that requests and credentials go to.
            Some(region) if !is_region_name(region) => {
                return Err(Error::Usage { message: format!("`{region}` is not the name of an AWS Region"), hint: hint() });
            }
            Some(_) => {}
        }
        endpoints_fit(options, &config)?;
        Ok(Self::over(config, access, clock, seed))
    }

    /// Connects to something inside this process: the SDK's clients over another HTTP client, on a virtual clock. Reads neither
    /// the environment nor a profile.
    pub fn embedded(http_client: impl HttpClient + 'static, region: &str, access: Access, clock: Clock, seed: u64) -> Self {
        let credentials = Credentials::new("ASIAREHEARSALEXAMPLE", "rehearsal", None, None, "rehearsal");
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(&clock))
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .time_source(aws_smithy_async::time::SharedTimeSource::new(clock.clone()))
            .http_client(http_client)
            .build();
        Self::over(config, access, clock, seed)
    }

    pub(super) fn over(config: SdkConfig, access: Access, clock: Clock, seed: u64) -> Self {
        let region = config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default();
        let (tally, nobody): (Tally, Option<&Teller>) = (Tally::default(), None);
        Self {
            ecs: client!(aws_sdk_ecs, &config, access, tally, nobody),
            logs: client!(aws_sdk_cloudwatchlogs, &config, access, tally, nobody),
            names: client!(aws_sdk_servicediscovery, &config, access, tally, nobody),
            elb: client!(aws_sdk_elasticloadbalancingv2, &config, access, tally, nobody),
            sts: client!(aws_sdk_sts, &config, access, tally, nobody),
            teller: None,
            waits: None,
            endpoint_url: config.endpoint_url().map(str::to_owned),
            watch: ServiceWatch::default(),
            own_writes: OwnWrites::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            sleep_meter: time_asleep,
            lease: Mutex::new(None),
            clock,
            region,
            config,
            access,
            tally,
        }
    }

    /// The requests sent since this way to AWS was opened, by action as policies write it: `ecs:DescribeServices` → 61.
    pub fn calls_made(&self) -> BTreeMap<String, u64> {
        self.tally.counts()
    }

    /// Tells `watch`, where there is one, of each attempt of every call from now on, and of each wait before the next.
    #[must_use]
    pub fn watched(mut self, watch: Option<ApiWatch>) -> Self {
        let Some(watch) = watch else { return self };
        let teller = Teller { watch, clock: self.clock.clone() };
        let (config, access, tally, told) = (&self.config, self.access, &self.tally, Some(&teller));
        self.ecs = client!(aws_sdk_ecs, config, access, tally, told);
        self.logs = client!(aws_sdk_cloudwatchlogs, config, access, tally, told);
        self.names = client!(aws_sdk_servicediscovery, config, access, tally, told);
        self.elb = client!(aws_sdk_elasticloadbalancingv2, config, access, tally, told);
        self.sts = client!(aws_sdk_sts, config, access, tally, told);
        self.teller = Some(teller);
        self
    }

    /// Reads the time asleep from somewhere else, for tests.
    #[must_use]
    pub fn with_sleep_meter(mut self, meter: fn() -> Duration) -> Self {
        self.sleep_meter = meter;
        self
    }

    /// How long the machine has been suspended since it was started.
    pub fn time_asleep(&self) -> Duration {
        (self.sleep_meter)()
    }

    /// How long a request that another process sent just now may be under way before it has taken effect or never will.
    pub fn landing_window(&self) -> Duration {
        self.clock.from_real(operation_timeout(&self.clock)).saturating_add(SETTLE_WINDOW)
    }

    /// Notes that the run was just seen to be this process's: should the machine sleep before the next mutation is handed to the
    /// connection, that one is not sent.
    pub fn note_lease(&self) {
        let lease = Lease { asleep: (self.sleep_meter)(), meter: self.sleep_meter };
        *self.lease.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(lease);
    }

    pub(super) fn lease(&self) -> Option<Lease> {
        *self.lease.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Who the credentials belong to.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn identity(&self) -> Result<Identity, CallError> {
        self.retry(super::retry::may_pass, || async {
            let witness = super::guard::Witness::default();
            let sent = self.sts.get_caller_identity().customize().interceptor(witness.clone()).send().await;
            let output =
                sent.map_err(|error| CallError::from_sdk("GetCallerIdentity", "the caller", &error, witness.transmits()))?;
            Ok(Identity {
                account: output.account().unwrap_or_default().to_owned(),
                arn: output.arn().unwrap_or_default().to_owned(),
            })
        })
        .await
    }

    /// A random text of 32 hexadecimal digits, for idempotency tokens: never used again for another attempt.
    pub fn token(&self) -> String {
        #[cfg(test)]
        if crate::flaw::get() == Some(crate::flaw::Flaw::OneToken) {
            return "0".repeat(32);
        }
        let mut text = String::with_capacity(32);
        for _ in 0..2 {
            let half = self.with_random(|random| random.u64(..));
            text.push_str(&format!("{half:016x}"));
        }
        text
    }

    /// A number from 0 up to, not including, 1.
    pub(super) fn random_fraction(&self) -> f64 {
        self.with_random(|random| random.f64())
    }

    fn with_random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        let mut random = self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        draw(&mut random)
    }
}

/// Services as profiles and `AWS_ENDPOINT_URL_…` call them, those of the SDK's clients; the others are in [`foreign`].
const SERVICES: &[&str] = &["ECS", "CloudWatch Logs", "ServiceDiscovery", "Elastic Load Balancing v2", "STS"];

/// Refuses endpoints that are no address, or carry a user name or password: an endpoint is journaled, and shown. Nothing of them is
/// quoted.
fn endpoints_fit(options: &ConnectOptions, config: &SdkConfig) -> Result<(), Error> {
    let of_all = match options.endpoint_url {
        Some(_) => "`--endpoint-url`",
        None => "AWS_ENDPOINT_URL, or `endpoint_url` in the profile,",
    };
    let mut all: Vec<(String, String)> = config.endpoint_url().map(|url| (of_all.to_owned(), url.to_owned())).into_iter().collect();
    for service in SERVICES.iter().copied().chain(foreign::services()) {
        let name = service.to_uppercase().replace(' ', "_");
        let setting = format!("AWS_ENDPOINT_URL_{name}, or `endpoint_url` of {service} in the profile,");
        all.extend(foreign::set_endpoint(config, service).map(|url| (setting, url)));
    }
    for (setting, url) in all {
        let (what, hint) = if names_a_user(&url) {
            ("carries a user name or password, which would be journaled and shown", "give an address that needs none, a tunnel say")
        } else if host_of(&url).is_none() {
            ("is not an http:// or https:// address", "write for example http://127.0.0.1:4566")
        } else {
            continue;
        };
        return Err(Error::Usage { message: format!("{setting} {what}"), hint: Some(hint.to_owned()) });
    }
    Ok(())
}

fn timeouts(clock: &Clock) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(3_100))
        .operation_attempt_timeout(attempt_timeout(clock))
        .operation_timeout(operation_timeout(clock))
        .build()
}

/// In tokio's time. Against a simulator on a faster clock the wait shrinks with it, but not below what a busy machine may need: a
/// disk that is long over one commit of the journal must not look like an answer that never came.
fn attempt_timeout(clock: &Clock) -> Duration {
    clock.to_real(ATTEMPT_TIMEOUT).max(Duration::from_secs(6))
}

/// In tokio's time: one attempt, and what the SDK does around it.
fn operation_timeout(clock: &Clock) -> Duration {
    attempt_timeout(clock).saturating_add(Duration::from_secs(1))
}
