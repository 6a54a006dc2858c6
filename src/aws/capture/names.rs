//! The wire's names and shapes, where they are not the AWS CLI's.
//!
//! | | ELBv2, STS | EC2 |
//! | --- | --- | --- |
//! | an answer is in | `<OpResult>` | the root |
//! | a list's items are | `<member>` | `<item>` |
//! | members are called | as the CLI prints them | with a small first letter, or as in [`EC2_NAMES`] |
//!
//! XML says neither what is a number nor, of something empty, that it is a list: the tables do. A member that is in none of them
//! stays as it is written, a text.

/// How one protocol writes answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// The element around the answer's members; `None`: the root.
    pub(super) wrapped: bool,
    /// The request parameter for the next page.
    pub(super) token: &'static str,
    /// The answer's member that has the token of the next page.
    pub(super) next: &'static str,
    /// The API version of requests.
    pub(super) version: &'static str,
    own_names: bool,
}

const EC2: Dialect = Dialect { wrapped: false, token: "NextToken", next: "NextToken", version: "2016-11-15", own_names: true };
const ELB: Dialect = Dialect { wrapped: true, token: "Marker", next: "NextMarker", version: "2015-12-01", own_names: false };
const STS: Dialect = Dialect { version: "2011-06-15", ..ELB };

/// The operations of EC2 that are read this way.
const EC2_OPERATIONS: &[&str] = &[
    "DescribeRouteTables",
    "DescribeSecurityGroupRules",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DescribeVpcAttribute",
    "DescribeVpcs",
];

/// `(parent, wire's name, CLI's name)`, where it is not the wire's with a large first letter; the parent is the CLI's name of the
/// member around it, `*` any.
const EC2_NAMES: &[(&str, &str, &str)] = &[
    ("*", "associationSet", "Associations"),
    ("*", "groups", "UserIdGroupPairs"),
    ("*", "propagatingVgwSet", "PropagatingVgws"),
    ("*", "routeSet", "Routes"),
    ("*", "routeTableSet", "RouteTables"),
    ("*", "securityGroupInfo", "SecurityGroups"),
    ("*", "securityGroupRuleSet", "SecurityGroupRules"),
    ("*", "subnetSet", "Subnets"),
    ("*", "tagSet", "Tags"),
    ("*", "vpcSet", "Vpcs"),
    ("SecurityGroups", "groupDescription", "Description"),
];

/// Lists, by the CLI's name: only an empty one needs to be told.
const LISTS: &[&str] = &[
    "Actions",
    "AlpnPolicy",
    "Associations",
    "Attributes",
    "AvailabilityZones",
    "Certificates",
    "CidrBlockAssociationSet",
    "Conditions",
    "DefaultActions",
    "IpPermissions",
    "IpPermissionsEgress",
    "IpRanges",
    "Ipv6CidrBlockAssociationSet",
    "Ipv6Ranges",
    "Listeners",
    "LoadBalancerAddresses",
    "LoadBalancerArns",
    "LoadBalancers",
    "PrefixListIds",
    "PropagatingVgws",
    "RouteTables",
    "Routes",
    "Rules",
    "SecurityGroupRules",
    "SecurityGroups",
    "SourceNatIpv6Prefixes",
    "Subnets",
    "TagDescriptions",
    "Tags",
    "TargetGroups",
    "TargetHealthDescriptions",
    "Transforms",
    "UserIdGroupPairs",
    "Values",
    "Vpcs",
];

/// Whole numbers: `(parent, member)`. A port to redirect to may be `#{port}`, so it is text.
const NUMBERS: &[(&str, &str)] = &[
    ("*", "AvailableIpAddressCount"),
    ("*", "DurationSeconds"),
    ("*", "EnableLniAtDeviceIndex"),
    ("*", "FromPort"),
    ("*", "HealthCheckIntervalSeconds"),
    ("*", "HealthCheckTimeoutSeconds"),
    ("*", "HealthyThresholdCount"),
    ("*", "Order"),
    ("*", "SessionTimeout"),
    ("*", "ToPort"),
    ("*", "UnhealthyThresholdCount"),
    ("*", "Weight"),
    ("Listeners", "Port"),
    ("Target", "Port"),
    ("TargetGroups", "Port"),
];

/// Flags: `(parent, member)`. An attribute's value is text, whatever it says.
const FLAGS: &[(&str, &str)] = &[
    ("*", "AssignIpv6AddressOnCreation"),
    ("*", "DefaultForAz"),
    ("*", "EnableDns64"),
    ("*", "EnableResourceNameDnsAAAARecord"),
    ("*", "EnableResourceNameDnsARecord"),
    ("*", "HealthCheckEnabled"),
    ("*", "IgnoreClientCertificateExpiry"),
    ("*", "IsDefault"),
    ("*", "IsEgress"),
    ("*", "Ipv6Native"),
    ("*", "Main"),
    ("*", "MapCustomerOwnedIpOnLaunch"),
    ("*", "MapPublicIpOnLaunch"),
    ("EnableDnsHostnames", "Value"),
    ("EnableDnsSupport", "Value"),
    ("TargetGroupStickinessConfig", "Enabled"),
];

/// What a leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    Text,
    Number,
    Flag,
}

impl Dialect {
    /// That of an operation.
    pub(super) fn of(operation: &str) -> Self {
        match operation {
            _ if EC2_OPERATIONS.contains(&operation) => EC2,
            "GetCallerIdentity" => STS,
            _ => ELB,
        }
    }

    /// Whether it is EC2's.
    pub(super) fn is_ec2(&self) -> bool {
        self.own_names
    }

    /// The CLI's name of an element inside the member `parent`.
    pub(super) fn name(&self, parent: &str, element: &str) -> String {
        if !self.own_names {
            return element.to_owned();
        }
        let known = EC2_NAMES.iter().find(|(holder, wire, _)| *wire == element && (*holder == "*" || *holder == parent));
        if let Some((_, _, name)) = known {
            return (*name).to_owned();
        }
        let mut letters = element.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }
}

/// Whether a member that is empty is a list.
pub(super) fn is_list(name: &str) -> bool {
    LISTS.contains(&name)
}

/// What the member `name` of `parent` is.
pub(super) fn leaf(parent: &str, name: &str) -> Leaf {
    let among =
        |table: &[(&str, &str)]| table.iter().any(|(holder, known)| *known == name && (*holder == "*" || *holder == parent));
    if among(NUMBERS) {
        Leaf::Number
    } else if among(FLAGS) {
        Leaf::Flag
    } else {
        Leaf::Text
    }
}
