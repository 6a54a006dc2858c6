//! Behaviour of the compute side, on the shipped worlds, with load balancers and names as the control side simulates them.

mod definitions;
mod rollouts;
mod services;
mod spans;
mod worlds;

use serde_json::{Value, json};

use super::super::{ApiError, Call, Millis, State};
use super::json::{list, text};

pub(super) const STAGING: &str = include_str!("../../../../runbooks/worlds/nexus-ai-staging.json");
pub(super) const DEV: &str = include_str!("../../../../tests/worlds/nexus-ai-dev.json");

/// The cluster, API service and names of a world.
pub(super) struct Lab {
    pub(super) state: State,
    pub(super) cluster: String,
    pub(super) api: String,
    pub(super) environment: &'static str,
}

impl Lab {
    pub(super) fn of(world: &str, environment: &'static str) -> Self {
        let world: Value = serde_json::from_str(world).expect("the world is JSON");
        let state = State::load(&world, 7).expect("the world loads");
        let cluster = format!("nexus-ai-cluster-{environment}");
        Self { state, cluster, api: format!("nexus-ai-api-{environment}"), environment }
    }

    pub(super) fn staging() -> Self {
        Self::of(STAGING, "staging")
    }

    pub(super) fn call(&mut self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let call = Call {
            operation: operation.to_owned(),
            request_id: "request".to_owned(),
            invocation_id: None,
            attempt: 1,
            access_key: "AKIDEXAMPLE".to_owned(),
        };
        let now = self.state.now;
        self.state.advance(now);
        super::call(&mut self.state, &call, &input)
    }

    #[track_caller]
    pub(super) fn ok(&mut self, operation: &str, input: Value) -> Value {
        self.call(operation, input).unwrap_or_else(|error| panic!("{operation}: {} {}", error.code, error.message))
    }

    #[track_caller]
    pub(super) fn refused(&mut self, operation: &str, input: Value) -> String {
        let effects = self.state.ledger.len();
        let error = self.call(operation, input).expect_err("refused");
        assert_eq!(self.state.ledger.len(), effects, "a refused call has no effect");
        format!("{}: {}", error.code, error.message)
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        let now = self.state.now + seconds * 1000;
        self.state.advance(now);
    }

    /// Lets seconds pass until `done`; gives how many.
    #[track_caller]
    pub(super) fn wait(&mut self, most: i64, done: impl Fn(&mut Self) -> bool) -> i64 {
        for second in 0..most {
            if done(self) {
                return second;
            }
            self.pass(1);
        }
        panic!("not within {most} s; events: {:#?}", self.messages(&self.api.clone()));
    }

    pub(super) fn service(&mut self, name: &str) -> Value {
        let answer = self.ok("DescribeServices", json!({ "cluster": self.cluster, "services": [name], "include": ["TAGS"] }));
        answer["services"][0].clone()
    }

    pub(super) fn messages(&mut self, name: &str) -> Vec<String> {
        let service = self.service(name);
        list(&service, "events").iter().map(|event| text(event, "message").to_owned()).collect()
    }

    /// Whether the service is rolled out, by its own words.
    pub(super) fn settled(&mut self, name: &str) -> bool {
        let service = self.service(name);
        list(&service, "deployments").len() == 1
            && service["deployments"][0]["rolloutState"] == "COMPLETED"
            && service["runningCount"] == service["desiredCount"]
    }

    /// Arguments of UpdateService for the API.
    pub(super) fn update(&self, mut members: Value) -> Value {
        members["cluster"] = json!(self.cluster);
        members["service"] = json!(self.api);
        members
    }

    /// Tasks of a service with this desired status.
    pub(super) fn tasks(&mut self, name: &str, status: &str) -> Vec<Value> {
        let arns = self.ok("ListTasks", json!({ "cluster": self.cluster, "serviceName": name, "desiredStatus": status }));
        if list(&arns, "taskArns").is_empty() {
            return Vec::new();
        }
        let described = self.ok("DescribeTasks", json!({ "cluster": self.cluster, "tasks": arns["taskArns"] }));
        list(&described, "tasks").to_vec()
    }

    /// The API's task definition as a request to register it again.
    pub(super) fn api_definition(&mut self) -> Value {
        let answer = self.ok("DescribeTaskDefinition", json!({ "taskDefinition": self.api }));
        let mut request = answer["taskDefinition"].clone();
        let output_only =
            ["taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy"];
        for member in output_only {
            super::json::remove(&mut request, member);
        }
        request
    }

    /// Registers the API's definition after an edit; gives its ARN.
    #[track_caller]
    pub(super) fn register(&mut self, edit: impl FnOnce(&mut Value)) -> String {
        let mut request = self.api_definition();
        edit(&mut request);
        let answer = self.ok("RegisterTaskDefinition", request);
        text(&answer["taskDefinition"], "taskDefinitionArn").to_owned()
    }

    /// The request for a shared Jaeger's task definition.
    pub(super) fn jaeger_definition(&self, image: &str) -> Value {
        json!({
            "family": format!("nexus-ai-jaeger-{}", self.environment),
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "1024",
            "memory": "2048",
            "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
            "containerDefinitions": [{
                "name": "jaeger",
                "image": image,
                "portMappings": [{ "containerPort": 16686 }, { "containerPort": 4317 }, { "containerPort": 4318 }],
                "environment": [{ "name": "COLLECTOR_OTLP_ENABLED", "value": "true" }],
                "healthCheck": { "command": ["CMD-SHELL", "wget -q --spider http://localhost:14269/ || exit 1"], "interval": 10 },
            }],
        })
    }

    /// The request for the shared Jaeger's service, on the network of the API.
    pub(super) fn jaeger_service(&mut self) -> Value {
        let api = self.service(&self.api.clone());
        json!({
            "cluster": self.cluster,
            "serviceName": format!("nexus-ai-jaeger-{}", self.environment),
            "taskDefinition": format!("nexus-ai-jaeger-{}", self.environment),
            "desiredCount": 1,
            "launchType": "FARGATE",
            "networkConfiguration": api["networkConfiguration"],
            "availabilityZoneRebalancing": "DISABLED",
            "deploymentConfiguration": {
                "minimumHealthyPercent": 0,
                "maximumPercent": 100,
                "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            },
            "clientToken": "token-1",
        })
    }

    /// A shared Jaeger that runs; gives its service's name.
    pub(super) fn shared_jaeger(&mut self) -> String {
        let definition = self.jaeger_definition("jaegertracing/all-in-one:latest");
        self.ok("RegisterTaskDefinition", definition);
        let request = self.jaeger_service();
        self.ok("CreateService", request.clone());
        let name = text(&request, "serviceName").to_owned();
        self.wait(300, |lab| lab.service(&name).is_object() && lab.settled(&name));
        name
    }
}

/// A time of an answer.
pub(super) fn at(value: &Value) -> Millis {
    super::json::millis(value).expect("a time")
}
