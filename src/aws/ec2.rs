//! The few reads of EC2 that a plan needs: security groups, subnets, routes, and whether a VPC answers names.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::foreign::{Ask, EC2};
use super::retry::may_pass;
use super::xml::{items, text};
use super::{Aws, CallError};

pub(super) const API_VERSION: &str = "2016-11-15";
/// A filter takes two hundred values. `[D]`
const FILTERED: usize = 200;

/// A security group, as far as a plan looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it lets in.
    pub ingress: Vec<SecurityRule>,
    /// What it lets out.
    pub egress: Vec<SecurityRule>,
}

/// One permission of a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityRule {
    /// `tcp`, `udp`, `-1` for everything, or a number.
    pub protocol: String,
    /// First port; absent for everything.
    pub from_port: Option<i64>,
    /// Last port.
    pub to_port: Option<i64>,
    /// Groups on the other side.
    pub groups: Vec<String>,
    /// IPv4 ranges on the other side.
    pub ranges: Vec<String>,
    /// Prefix lists on the other side.
    pub prefix_lists: Vec<String>,
}

/// A subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Its Availability Zone.
    pub zone: String,
    /// Its IPv4 range.
    pub range: String,
    /// Addresses that nobody has.
    pub free: Option<u64>,
}

/// A route table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// `rtb-…`.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Subnets that are associated with it by name.
    pub subnets: Vec<String>,
    /// Whether it serves the subnets of its VPC that are associated with none.
    pub main: bool,
    /// What the default IPv4 route (`0.0.0.0/0`) leads to: `igw-…`, `nat-…`, `tgw-…` and the like. `None` where there is none.
    pub way_out: Option<String>,
}

/// Whether a VPC's resolver answers the names of private hosted zones: both must be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcDns {
    /// `enableDnsSupport`.
    pub support: bool,
    /// `enableDnsHostnames`.
    pub hostnames: bool,
}

impl Aws {
    /// Those of these security groups, by id, that are there.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn security_groups(&self, ids: &[String]) -> Result<Vec<SecurityGroup>, CallError> {
        let mut found = Vec::new();
        for chunk in ids.chunks(FILTERED) {
            let answer = self.ec2("DescribeSecurityGroups", &chunk.join(", "), &filter("group-id", chunk)).await?;
            found.extend(items(&answer["securityGroupInfo"]).map(security_group));
        }
        Ok(found)
    }

    /// Those of these subnets, by id, that are there.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, CallError> {
        let subnet = |found: &Value| Subnet {
            id: text(found, "subnetId"),
            vpc: text(found, "vpcId"),
            zone: text(found, "availabilityZone"),
            range: text(found, "cidrBlock"),
            free: text(found, "availableIpAddressCount").parse().ok(),
        };
        let mut found = Vec::new();
        for chunk in ids.chunks(FILTERED) {
            let answer = self.ec2("DescribeSubnets", &chunk.join(", "), &filter("subnet-id", chunk)).await?;
            found.extend(items(&answer["subnetSet"]).map(subnet));
        }
        Ok(found)
    }

    /// The route tables of a VPC.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn route_tables(&self, vpc: &str) -> Result<Vec<RouteTable>, CallError> {
        let answer = self.ec2("DescribeRouteTables", vpc, &filter("vpc-id", &[vpc.to_owned()])).await?;
        Ok(items(&answer["routeTableSet"]).map(route_table).collect())
    }

    /// Whether a VPC answers names.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn vpc_dns(&self, vpc: &str) -> Result<VpcDns, CallError> {
        let attribute = async |name: &str| -> Result<bool, CallError> {
            let parameters = [("VpcId".to_owned(), vpc.to_owned()), ("Attribute".to_owned(), name.to_owned())];
            let answer = self.ec2("DescribeVpcAttribute", vpc, &parameters).await?;
            Ok(answer[name]["value"] == "true")
        };
        let (support, hostnames) = tokio::join!(attribute("enableDnsSupport"), attribute("enableDnsHostnames"));
        Ok(VpcDns { support: support?, hostnames: hostnames? })
    }

    async fn ec2(&self, action: &'static str, resource: &str, parameters: &[(String, String)]) -> Result<Value, CallError> {
        self.retry(may_pass, || self.foreign_once(&EC2, action, resource, Ask::form(action, API_VERSION, parameters))).await
    }
}

/// By filter: where one is not there, a request by ids is refused as a whole.
fn filter(name: &str, values: &[String]) -> Vec<(String, String)> {
    let values = values.iter().enumerate().map(|(index, value)| (format!("Filter.1.Value.{}", index + 1), value.clone()));
    std::iter::once(("Filter.1.Name".to_owned(), name.to_owned())).chain(values).collect()
}

fn security_group(found: &Value) -> SecurityGroup {
    let rules = |list: &Value| items(list).map(security_rule).collect();
    SecurityGroup {
        id: text(found, "groupId"),
        name: text(found, "groupName"),
        ingress: rules(&found["ipPermissions"]),
        egress: rules(&found["ipPermissionsEgress"]),
    }
}

fn security_rule(found: &Value) -> SecurityRule {
    let each = |list: &Value, name: &str| items(list).map(|item| text(item, name)).collect();
    SecurityRule {
        protocol: text(found, "ipProtocol"),
        from_port: text(found, "fromPort").parse().ok(),
        to_port: text(found, "toPort").parse().ok(),
        groups: each(&found["groups"], "groupId"),
        ranges: each(&found["ipRanges"], "cidrIp"),
        prefix_lists: each(&found["prefixListIds"], "prefixListId"),
    }
}

fn route_table(found: &Value) -> RouteTable {
    let associations = || items(&found["associationSet"]);
    let everywhere = |route: &&Value| route["destinationCidrBlock"] == "0.0.0.0/0" && route["state"] != "blackhole";
    let way_out = items(&found["routeSet"]).find(everywhere).and_then(|route| {
        let ways = ["gatewayId", "natGatewayId", "transitGatewayId", "networkInterfaceId", "instanceId", "vpcPeeringConnectionId"];
        ways.iter().find_map(|way| route[way].as_str()).map(str::to_owned)
    });
    RouteTable {
        id: text(found, "routeTableId"),
        vpc: text(found, "vpcId"),
        subnets: associations().map(|entry| text(entry, "subnetId")).filter(|subnet| !subnet.is_empty()).collect(),
        main: associations().any(|entry| entry["main"] == "true"),
        way_out,
    }
}

#[cfg(test)]
mod tests {
    use super::super::xml::tree;
    use super::*;

    #[test]
    fn security_groups_are_read_from_the_wire() {
        let text = r#"<?xml version="1.0"?><DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
          <requestId>r</requestId><securityGroupInfo><item><ownerId>111122223333</ownerId><groupId>sg-1</groupId><groupName>ecs</groupName>
          <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>4317</fromPort><toPort>4318</toPort>
          <groups><item><userId>111122223333</userId><groupId>sg-1</groupId></item></groups>
          <ipRanges><item><cidrIp>10.0.0.0/16</cidrIp></item></ipRanges><prefixListIds/></item></ipPermissions>
          <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>
          </item></securityGroupInfo></DescribeSecurityGroupsResponse>"#;
        let answer = tree(text).expect("well-formed");
        let groups: Vec<_> = items(&answer["securityGroupInfo"]).map(security_group).collect();
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].ingress[0].groups, ["sg-1"]);
        assert_eq!((groups[0].ingress[0].from_port, groups[0].ingress[0].to_port), (Some(4317), Some(4318)));
        assert_eq!(groups[0].egress[0].protocol, "-1");
        assert_eq!(groups[0].egress[0].from_port, None);
    }

    #[test]
    fn a_route_table_says_what_its_default_route_leads_to() {
        let text = r"<R><routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId>
          <routeSet><item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><state>active</state></item>
          <item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><natGatewayId>nat-1</natGatewayId><state>active</state></item></routeSet>
          <associationSet><item><subnetId>subnet-1</subnetId><main>false</main></item></associationSet></item>
          <item><routeTableId>rtb-2</routeTableId><vpcId>vpc-1</vpcId><routeSet/><associationSet><item><main>true</main></item></associationSet></item>
          </routeTableSet></R>";
        let answer = tree(text).expect("well-formed");
        let tables: Vec<_> = items(&answer["routeTableSet"]).map(route_table).collect();
        assert_eq!(
            (tables[0].way_out.as_deref(), tables[0].subnets.as_slice(), tables[0].main),
            (Some("nat-1"), &["subnet-1".to_owned()][..], false)
        );
        assert_eq!((tables[1].way_out.as_deref(), tables[1].subnets.len(), tables[1].main), (None, 0, true));
    }
}
