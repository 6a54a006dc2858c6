//! Rules of security groups one by one: reading, adding and taking away what a group lets in.
//!
//! AuthorizeSecurityGroupIngress has no token by which AWS would know a request again; but a group never has the same rule twice: EC2
//! refuses the second with `InvalidPermission.Duplicate`. What was added is told by its tags and its description.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ec2::API_VERSION;
use super::foreign::{Ask, EC2};
use super::retry::{certainly_not_applied_and_may_pass, may_pass};
use super::xml::{items, text};
use super::{Aws, CallError};

/// Longer descriptions are refused; so are letters other than those of [`describable`].
const LONGEST_DESCRIPTION: usize = 255;
/// DescribeSecurityGroupRules gives so many at once.
const PAGE: &str = "1000";

/// A rule of a security group, by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRule {
    /// `sgr-…`.
    pub id: String,
    /// Whether it is for what leaves.
    pub egress: bool,
    /// `tcp`, `udp`, `-1` for everything, or a number.
    pub protocol: String,
    /// First port; -1 for every one.
    pub from_port: Option<i64>,
    /// Last port.
    pub to_port: Option<i64>,
    /// The group on the other side, if it is one.
    pub peer: Option<String>,
    /// Its description.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A rule to be added: one port, let in from one group.
#[derive(Clone, Debug)]
pub struct Ingress<'a> {
    /// The group that lets in.
    pub group: &'a str,
    /// The group that is let in.
    pub source: &'a str,
    /// `tcp` or `udp`.
    pub protocol: &'a str,
    /// The port.
    pub port: i64,
    /// Anything; what EC2 does not take is left out.
    pub description: String,
    /// Its tags; none where tagging is not permitted.
    pub tags: Vec<(String, String)>,
}

impl Aws {
    /// Every rule of a security group; none where there is no such group.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn group_rules(&self, group: &str) -> Result<Vec<GroupRule>, CallError> {
        const OPERATION: &str = "DescribeSecurityGroupRules";
        let filter = [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", group), ("MaxResults", PAGE)];
        let first: Vec<(String, String)> = filter.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (mut rules, mut parameters) = (Vec::new(), first.clone());
        loop {
            let ask = || Ask::form(OPERATION, API_VERSION, &parameters);
            let answer = self.retry(may_pass, || self.foreign_once(&EC2, OPERATION, group, ask())).await?;
            rules.extend(items(&answer["securityGroupRuleSet"]).map(rule));
            let next = text(&answer, "nextToken");
            if next.is_empty() {
                return Ok(rules);
            }
            parameters = first.iter().cloned().chain([("NextToken".to_owned(), next)]).collect();
        }
    }

    /// Adds a rule; gives its id, and AWS's request id.
    ///
    /// # Errors
    /// [`CallError`]; when its class is unknown, look before doing anything else. A rule of the same ports and source is
    /// [`super::Reason::Exists`].
    pub async fn authorize_ingress(&self, ingress: &Ingress<'_>) -> Result<(String, Option<String>), CallError> {
        let mut parameters = vec![("GroupId".to_owned(), ingress.group.to_owned())];
        let mut put = |name: &str, value: String| parameters.push((name.to_owned(), value));
        put("IpPermissions.1.IpProtocol", ingress.protocol.to_owned());
        put("IpPermissions.1.FromPort", ingress.port.to_string());
        put("IpPermissions.1.ToPort", ingress.port.to_string());
        put("IpPermissions.1.Groups.1.GroupId", ingress.source.to_owned());
        put("IpPermissions.1.Groups.1.Description", describable(&ingress.description));
        if !ingress.tags.is_empty() {
            put("TagSpecification.1.ResourceType", "security-group-rule".to_owned());
        }
        for (index, (key, value)) in ingress.tags.iter().enumerate() {
            put(&format!("TagSpecification.1.Tag.{}.Key", index + 1), key.clone());
            put(&format!("TagSpecification.1.Tag.{}.Value", index + 1), value.clone());
        }
        let answer = self.change_rules("AuthorizeSecurityGroupIngress", ingress.group, &parameters).await?;
        let made = items(&answer["securityGroupRuleSet"]).map(rule).next().unwrap_or_default();
        Ok((made.id, request_id(&answer)))
    }

    /// Takes a rule of ingress away; gives AWS's request id.
    ///
    /// # Errors
    /// [`CallError`]; one that is gone already is [`super::Reason::Missing`].
    pub async fn revoke_ingress(&self, group: &str, rule: &str) -> Result<Option<String>, CallError> {
        let parameters =
            [("GroupId", group), ("SecurityGroupRuleId.1", rule)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = self.change_rules("RevokeSecurityGroupIngress", group, &parameters).await?;
        Ok(request_id(&answer))
    }

    async fn change_rules(
        &self,
        operation: &'static str,
        group: &str,
        parameters: &[(String, String)],
    ) -> Result<Value, CallError> {
        let ask = || Ask::form(operation, API_VERSION, parameters);
        self.retry(certainly_not_applied_and_may_pass, || self.foreign_once(&EC2, operation, group, ask())).await
    }
}

fn request_id(answer: &Value) -> Option<String> {
    answer["requestId"].as_str().map(str::to_owned)
}

fn rule(found: &Value) -> GroupRule {
    let tags = items(&found["tagSet"]).map(|tag| (text(tag, "key"), text(tag, "value"))).collect();
    GroupRule {
        id: text(found, "securityGroupRuleId"),
        egress: found["isEgress"] == "true",
        protocol: text(found, "ipProtocol"),
        from_port: text(found, "fromPort").parse().ok(),
        to_port: text(found, "toPort").parse().ok(),
        peer: found["referencedGroupInfo"]["groupId"].as_str().map(str::to_owned),
        description: text(found, "description"),
        tags,
    }
}

/// What EC2 takes of a description.
pub fn describable(text: &str) -> String {
    let fine = |letter: &char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(*letter);
    text.chars().filter(fine).take(LONGEST_DESCRIPTION).collect()
}

#[cfg(test)]
mod tests {
    use super::super::xml::tree;
    use super::*;

    #[test]
    fn a_rule_is_read_from_the_wire() {
        let body = r"<R><securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId><groupId>sg-1</groupId>
          <isEgress>false</isEgress><ipProtocol>udp</ipProtocol><fromPort>2000</fromPort><toPort>2000</toPort>
          <referencedGroupInfo><groupId>sg-2</groupId><userId>111122223333</userId></referencedGroupInfo><description>daemon</description>
          <tagSet><item><key>sidestep:run</key><value>ab12</value></item></tagSet></item>
          <item><securityGroupRuleId>sgr-2</securityGroupRuleId><isEgress>true</isEgress><ipProtocol>-1</ipProtocol><fromPort>-1</fromPort>
          <toPort>-1</toPort><cidrIpv4>0.0.0.0/0</cidrIpv4><tagSet/></item></securityGroupRuleSet></R>";
        let answer = tree(body).expect("well-formed");
        let rules: Vec<GroupRule> = items(&answer["securityGroupRuleSet"]).map(rule).collect();
        let expected = GroupRule {
            id: "sgr-1".to_owned(),
            egress: false,
            protocol: "udp".to_owned(),
            from_port: Some(2000),
            to_port: Some(2000),
            peer: Some("sg-2".to_owned()),
            description: "daemon".to_owned(),
            tags: BTreeMap::from([("sidestep:run".to_owned(), "ab12".to_owned())]),
        };
        assert_eq!(rules[0], expected);
        assert_eq!((rules[1].egress, rules[1].peer.as_deref(), rules[1].tags.len()), (true, None, 0));
    }

    #[test]
    fn a_description_has_only_what_ec2_takes() {
        assert_eq!(describable("a → b (run 1): \"x\"_é"), "a  b (run 1): x_");
        assert_eq!(describable(&"x".repeat(300)).len(), 255);
    }
}
