//! What most likely lies behind a failure: what AWS says of it names the symptom, and seldom the cause.

use crate::model::Failure;

/// What most likely lies behind a failure, by the words that ECS and the container runtime use.
pub fn likely(failure: &Failure) -> Option<String> {
    let said = failure.causes.iter().chain([&failure.message]);
    let said = said.map(|cause| cause.to_lowercase()).collect::<Vec<_>>().join("\n");
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let words = if has(&["cannotpull", "pull image manifest", "manifest unknown"]) {
        if has(&["timeout", "i/o timeout", "connection refused", "no such host", "context deadline"]) {
            "the task does not reach the registry: its subnet has no public address, NAT gateway or VPC endpoint that leads there"
        } else if has(&["denied", "unauthorized", "forbidden", "no basic auth"]) {
            "the registry refuses: the execution role may not pull, or the repository is private"
        } else {
            "the image's name or tag does not exist"
        }
    } else if has(&["resourceinitializationerror", "unable to pull secrets", "failed to validate logger"]) {
        "the task could not be set up: the execution role may not read a secret or write the logs, or there is no way to those services"
    } else if has(&["outofmemory", "exit code 137", "oom"]) {
        "the container needs more memory than it is given"
    } else if has(&["exited", "exit code", "essential container"]) {
        "the container ends by itself: its last log lines say why"
    } else if has(&["failed container health checks", "container health"]) {
        "the container runs, and its own health check does not succeed"
    } else if has(&["health checks failed", "unhealthy in", "target.responsecodemismatch", "target.timeout", "request timed out"]) {
        "the load balancer's health check does not succeed: its path, its port, or a security group"
    } else if has(&["capacity", "unable to place", "resource:eni", "no container instances"]) {
        "AWS has no room for the task at the moment, or a quota is reached"
    } else if has(&["not authorized", "accessdenied", "access denied"]) {
        "a permission is missing"
    } else if has(&["no space left", "disk full"]) {
        "the disk of the task is full"
    } else {
        return None;
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;

    fn failure(kind: FailureKind) -> Failure {
        Failure { kind, message: String::new(), causes: Vec::new(), code: None, request_id: None }
    }

    #[test]
    fn the_likely_cause_goes_by_the_words_of_aws() {
        for (said, likely_words) in [
            (
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/x:y: not found",
                "does not exist",
            ),
            (
                "CannotPullContainerError: ref pull has been retried 5 time(s): dial tcp 3.216.34.172:443: i/o timeout",
                "does not reach the registry",
            ),
            ("CannotPullContainerError: pull access denied, repository does not exist or may require authorization", "refuses"),
            ("ResourceInitializationError: failed to validate logger args", "could not be set up"),
            ("Essential container in task exited (exit code 1)", "ends by itself"),
            ("OutOfMemoryError: Container killed due to memory usage (exit code 137)", "more memory"),
            ("Task failed container health checks", "its own health check"),
            ("Task failed ELB health checks in (target-group x): Health checks failed", "load balancer's health check"),
            ("Capacity is unavailable at this time. Please try again later", "no room"),
        ] {
            let failure = Failure { causes: vec![said.to_owned()], ..failure(FailureKind::Rollout) };
            assert!(likely(&failure).is_some_and(|words| words.contains(likely_words)), "{said}: {:?}", likely(&failure));
        }
        assert_eq!(likely(&failure(FailureKind::Drift)), None);
    }
}
