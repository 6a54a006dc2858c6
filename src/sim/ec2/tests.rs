use bytes::Bytes;
use http::Request;

use super::*;
use crate::sim::tests::world;
use crate::sim::{Handled, Sim};

const TASKS: &str = "sg-05687f8926f501d48";
const BALANCER: &str = "sg-74358c0093bff1415";

fn sim() -> Sim {
    Sim::new(State::load(&world(), 1).expect("the shipped world loads"))
}

/// The status and body of one EC2 request on the wire.
fn ask(sim: &Sim, query: &str) -> (u16, String) {
    let request = Request::post("https://ec2.us-west-2.amazonaws.com/")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKID/20251202/us-west-2/ec2/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(Bytes::from(format!("{query}&Version=2016-11-15")))
        .expect("a request");
    let now = sim.with(|state| state.now);
    let Handled::Respond(answer) = sim.handle(now, request) else { panic!("no answer") };
    (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
}

fn lets(sim: &Sim, from: &[&str], from_ip: &str, port: u16) -> bool {
    let groups: Vec<String> = from.iter().map(|id| (*id).to_owned()).collect();
    sim.with(|state| state.ec2.lets_through(from_ip, &groups, "10.0.11.5", &[TASKS.to_owned()], (Transport::Tcp, port)))
}

#[test]
fn descriptions_have_ec2s_names_and_errors() {
    let sim = sim();
    let (status, body) = ask(&sim, &format!("Action=DescribeSecurityGroups&GroupId.1={TASKS}"));
    assert_eq!(status, 200);
    for part in
        ["<securityGroupInfo><item>", "<groupDescription>", "<fromPort>4317</fromPort>", "<groups><item>", "<tagSet><item><key>"]
    {
        assert!(body.contains(part), "{part} in {body}");
    }
    assert!(!body.contains(BALANCER) || body.matches("<groupName>").count() == 1, "only the group asked for");
    let (status, body) = ask(&sim, "Action=DescribeSecurityGroups&GroupId.1=sg-none");
    assert_eq!(status, 400);
    assert!(
        body.contains("<Code>InvalidGroup.NotFound</Code><Message>The security group 'sg-none' does not exist</Message>"),
        "{body}"
    );
    let (_, body) = ask(&sim, "Action=DescribeSubnets&Filter.1.Name=availability-zone&Filter.1.Value.1=us-west-2b");
    assert_eq!(body.matches("<subnetId>").count(), 1, "{body}");
    let (_, body) = ask(&sim, "Action=DescribeVpcAttribute&VpcId=vpc-80cf23a1c44e96578&Attribute=enableDnsSupport");
    assert!(body.contains("<enableDnsSupport><value>true</value></enableDnsSupport>"), "{body}");
    let (status, body) = ask(&sim, "Action=RunInstances");
    assert!(status == 400 && body.contains("<Code>InvalidAction</Code>"), "{body}");
}

#[test]
fn rules_let_through_by_group_port_and_address() {
    let sim = sim();
    assert!(lets(&sim, &[TASKS], "10.0.10.5", 4317) && lets(&sim, &[TASKS], "10.0.10.5", 4318));
    assert!(!lets(&sim, &[TASKS], "10.0.10.5", 16686), "only the load balancer may");
    assert!(lets(&sim, &[BALANCER], "10.0.10.5", 16686));
    assert!(!lets(&sim, &[], "203.0.113.7", 16686), "from outside nothing is open");
}

#[test]
fn a_port_opens_and_closes_on_the_wire() {
    let sim = sim();
    let rule =
        format!("GroupId={TASKS}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=16686&IpPermissions.1.ToPort=16686");
    let by_cidr = format!("{rule}&IpPermissions.1.IpRanges.1.CidrIp=203.0.113.0/24");
    let (status, body) = ask(&sim, &format!("Action=AuthorizeSecurityGroupIngress&{by_cidr}"));
    assert!(status == 200 && body.contains("<cidrIpv4>203.0.113.0/24</cidrIpv4>"), "{body}");
    assert!(lets(&sim, &[], "203.0.113.7", 16686) && !lets(&sim, &[], "198.51.100.7", 16686));
    let (_, again) = ask(&sim, &format!("Action=AuthorizeSecurityGroupIngress&{by_cidr}"));
    assert!(again.contains("<Code>InvalidPermission.Duplicate</Code>"), "{again}");
    assert!(lets(&sim, &[BALANCER], "10.0.10.5", 16686), "what was open stays open");
    let (status, _) = ask(&sim, &format!("Action=RevokeSecurityGroupIngress&{by_cidr}"));
    assert_eq!(status, 200);
    assert!(!lets(&sim, &[], "203.0.113.7", 16686) && lets(&sim, &[BALANCER], "10.0.10.5", 16686));
    let (_, gone) = ask(&sim, &format!("Action=RevokeSecurityGroupIngress&{by_cidr}"));
    assert!(gone.contains("<Code>InvalidPermission.NotFound</Code>"), "{gone}");
}

#[test]
fn the_rules_of_a_group_keep_their_ids() {
    let sim = sim();
    let ids = || {
        let (_, body) = ask(&sim, &format!("Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={TASKS}"));
        body.split("<securityGroupRuleId>").skip(1).map(|rest| rest[..21].to_owned()).collect::<Vec<_>>()
    };
    let first = ids();
    assert_eq!(first.len(), 5, "four of ingress, one of egress");
    assert_eq!(first, ids());
}
