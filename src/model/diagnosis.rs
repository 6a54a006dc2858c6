//! What an examination finds: how the services are, what is wrong with them, and what could not be seen.

/// What was found, the likely cause first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    /// How each service is, in a few words.
    pub services: Vec<Condition>,
    /// What is wrong; empty: nothing that can be seen.
    pub causes: Vec<Diagnosis>,
    /// What could not be read.
    pub unseen: Vec<Unseen>,
}

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its name.
    pub service: String,
    /// Whether nothing is wrong with the service itself; a rollout under way is not.
    pub well: bool,
    /// In words: `1 of 1 tasks run`.
    pub words: String,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Stable: `image-missing`.
    pub id: String,
    /// The service, or another resource, that it is about.
    pub about: String,
    /// What most likely lies behind it.
    pub cause: String,
    /// What AWS said, and where: resource ids included.
    pub evidence: Vec<String>,
    /// What to do, with exact commands.
    pub next: Vec<String>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// As IAM spells it: `ec2:DescribeSecurityGroups`.
    pub action: String,
    /// What it was asked about.
    pub resource: String,
    /// AWS's words.
    pub why: String,
}
