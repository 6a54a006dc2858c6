//! What AWS's words for a task's end, or for a refusal, most likely mean: they name the symptom, and seldom the cause.

use crate::model::{Failure, FailureKind};

/// A sort of words, and what lies behind them.
pub(super) struct Saying {
    /// The cause's stable name.
    pub(super) id: &'static str,
    /// The cause.
    pub(super) cause: &'static str,
    /// Whether words in small letters are of this sort.
    fits: fn(&Words<'_>) -> bool,
}

/// Words in small letters.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn any(&self, of: &[&str]) -> bool {
        of.iter().any(|word| self.0.contains(word))
    }

    fn of_pull(&self) -> bool {
        self.any(&["cannotpull", "pull image manifest", "manifest unknown"])
    }

    fn of_logger(&self) -> bool {
        self.any(&["validate logger", "cloudwatch log stream", "logging driver"])
    }

    fn denied(&self) -> bool {
        self.any(&["not authorized", "accessdenied", "access denied"])
    }

    fn no_way(&self) -> bool {
        self.any(&["timeout", "timed out", "connection refused", "no such host", "context deadline", "request canceled"])
    }
}

/// The first that fits counts: what is said in more words stands before what is said in fewer.
const SAYINGS: &[Saying] = &[
    Saying {
        id: "log-group-missing",
        cause: "the log group that a container writes to does not exist",
        fits: |words| words.any(&["log group does not exist"]),
    },
    Saying {
        id: "logs-denied",
        cause: "the execution role may not write to the log group",
        fits: |words| words.of_logger() && words.denied(),
    },
    Saying {
        id: "logs-unreachable",
        cause: "the task's log stream cannot be made: there is no way to CloudWatch Logs, or its options are wrong",
        fits: |words| words.of_logger(),
    },
    Saying {
        id: "registry-limit",
        cause: "the registry's limit of pulls is reached",
        fits: |words| words.any(&["toomanyrequests", "pull rate limit"]),
    },
    Saying {
        id: "registry-unreachable",
        cause: "the task does not reach the registry: its subnet has no public address, NAT gateway or VPC endpoint that leads there",
        fits: |words| words.of_pull() && words.no_way(),
    },
    Saying {
        id: "registry-refuses",
        cause: "the registry refuses: the execution role may not pull, or the repository is private",
        fits: |words| words.of_pull() && words.any(&["denied", "unauthorized", "forbidden", "no basic auth", "not authorized"]),
    },
    Saying { id: "image-missing", cause: "the image's name or tag does not exist", fits: |words| words.of_pull() },
    Saying {
        id: "setup-denied",
        cause: "the task could not be set up: the execution role may not read a secret, or there is no way to Secrets Manager, Systems \
                Manager or the registry",
        fits: |words| words.any(&["resourceinitializationerror", "unable to pull secrets"]),
    },
    Saying {
        id: "role-not-assumable",
        cause: "ECS cannot assume a role of the task definition: its trust policy does not let ecs-tasks.amazonaws.com, or it is gone",
        fits: |words| words.any(&["unable to assume the role", "iam trust relationship"]),
    },
    Saying {
        id: "addresses-used-up",
        cause: "a subnet has no free address left",
        fits: |words| words.any(&["insufficientfreeaddresses"]),
    },
    Saying {
        id: "container-check-fails",
        cause: "the container runs, and its own health check does not succeed",
        fits: |words| words.any(&["failed container health checks", "container health"]),
    },
    Saying {
        id: "balancer-check-fails",
        cause: "the load balancer's health check does not succeed: its path, its port, or a security group",
        fits: |words| {
            words.any(&[
                "health checks failed",
                "elb health checks",
                "unhealthy in",
                "target.responsecodemismatch",
                "target.timeout",
            ]) || words.any(&["request timed out"])
        },
    },
    Saying {
        id: "out-of-memory",
        cause: "the container needs more memory than it is given",
        fits: |words| words.any(&["outofmemory", "exit code 137", "exited with 137", "oomkilled"]),
    },
    Saying {
        id: "container-exits",
        cause: "the container ends by itself: its last log lines say why",
        fits: |words| words.any(&["exited", "exit code", "essential container"]),
    },
    Saying {
        id: "capacity-interrupted",
        cause: "AWS took the task's machine away, and starts another",
        fits: |words| words.any(&["spot task was interrupted", "spotinterruption", "infrastructurehealth"]),
    },
    Saying {
        id: "no-capacity",
        cause: "AWS has no room for the task at the moment, or a quota is reached",
        fits: |words| {
            words.any(&["capacity", "unable to place", "resource:memory", "resource:cpu", "resource:eni", "no container instances"])
        },
    },
    Saying { id: "permission-missing", cause: "a permission is missing", fits: |words| words.denied() },
    Saying { id: "disk-full", cause: "the disk of the task is full", fits: |words| words.any(&["no space left", "disk full"]) },
];

/// What such words most likely mean.
pub(super) fn meaning(said: &str) -> Option<&'static Saying> {
    let said = said.to_lowercase();
    SAYINGS.iter().find(|saying| (saying.fits)(&Words(&said)))
}

/// What most likely lies behind a failure, by the words that ECS and the container runtime use.
pub fn likely(failure: &Failure) -> Option<String> {
    meaning(&said(failure)).map(|saying| saying.cause.to_owned())
}

/// Whether AWS refused the run itself a permission.
pub fn lacks_permission(failure: &Failure) -> bool {
    failure.kind == FailureKind::Rejected && meaning(&said(failure)).is_some_and(|saying| saying.id == "permission-missing")
}

/// Everything that a failure says.
pub(super) fn said(failure: &Failure) -> String {
    failure.causes.iter().chain([&failure.message]).map(String::as_str).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_cause_goes_by_the_words_of_aws() {
        for (words, id) in [
            (
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/x:y: not found",
                "image-missing",
            ),
            (
                "CannotPullContainerError: ref pull has been retried 5 time(s): dial tcp 3.216.34.172:443: i/o timeout",
                "registry-unreachable",
            ),
            (
                "CannotPullContainerError: pull access denied, repository does not exist or may require authorization",
                "registry-refuses",
            ),
            ("CannotPullContainerError: toomanyrequests: You have reached your pull rate limit", "registry-limit"),
            (
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create \
                 Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
                "log-group-missing",
            ),
            (
                "ResourceInitializationError: failed to validate logger args: AccessDeniedException: User: \
                 arn:aws:sts::111122223333:assumed-role/exec/1 is not authorized to perform: logs:CreateLogStream",
                "logs-denied",
            ),
            ("ResourceInitializationError: failed to validate logger args", "logs-unreachable"),
            ("ResourceInitializationError: unable to pull secrets or registry auth: RequestError: i/o timeout", "setup-denied"),
            ("ECS was unable to assume the role 'arn:aws:iam::111122223333:role/exec'", "role-not-assumable"),
            (
                "Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-1': InsufficientFreeAddressesInSubnet",
                "addresses-used-up",
            ),
            ("Essential container in task exited; container api exited with 1", "container-exits"),
            ("OutOfMemoryError: Container killed due to memory usage (exit code 137)", "out-of-memory"),
            // The exit code is that of the kill which follows.
            ("Task failed container health checks; container api exited with 137", "container-check-fails"),
            ("Task failed ELB health checks in (target-group x); container api exited with 137", "balancer-check-fails"),
            ("Capacity is unavailable at this time. Please try again later", "no-capacity"),
            ("Your Spot Task was interrupted.", "capacity-interrupted"),
            ("AccessDeniedException: User: x is not authorized to perform: iam:PassRole on resource: y", "permission-missing"),
        ] {
            assert_eq!(meaning(words).map(|saying| saying.id), Some(id), "{words}");
        }
        let silent = Failure { kind: FailureKind::Drift, message: String::new(), causes: Vec::new(), code: None, request_id: None };
        assert_eq!(likely(&silent), None);
        let failure = Failure { causes: vec!["disk full".to_owned()], ..silent };
        assert_eq!(likely(&failure).as_deref(), Some("the disk of the task is full"));
    }
}
