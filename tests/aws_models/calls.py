"""The calls: every operation that the simulator knows, with what it must answer."""


def first(items, **wanted):
    """The first object whose members are as wanted."""
    return next(item for item in items if all(item.get(name) == value for name, value in wanted.items()))


class Calls:
    """`run(service)` makes the calls of one service. `call(service, operation, expect, **input)` is given by the checker."""

    def __init__(self, world, call, advance):
        self.world, self.call, self.advance = world, call, advance

    def run(self, service):
        getattr(self, service.replace("-", "_"))()

    def sts(self):
        self.call("sts", "GetCallerIdentity")

    def logs(self):
        call = lambda *args, **input: self.call("logs", *args, **input)
        name = "/check/models"
        call("CreateLogGroup", logGroupName=name, tags={"a": "b"})
        call("CreateLogGroup", "ResourceAlreadyExistsException", logGroupName=name)
        call("CreateLogGroup", "InvalidParameterException", logGroupName="with space")
        call("PutRetentionPolicy", logGroupName=name, retentionInDays=7)
        call("PutRetentionPolicy", "InvalidParameterException", logGroupName=name, retentionInDays=8)
        groups = call("DescribeLogGroups", logGroupNamePrefix=name)["logGroups"]
        arn = groups[0]["logGroupArn"]
        call("DescribeLogGroups", limit=1)
        call("TagResource", resourceArn=arn, tags={"c": "d"})
        call("ListTagsForResource", resourceArn=arn)
        call("ListTagsLogGroup", logGroupName=name)
        call("UntagResource", resourceArn=arn, tagKeys=["c"])
        call("DeleteRetentionPolicy", logGroupName=name)
        for group in call("DescribeLogGroups")["logGroups"]:
            for stream in call("DescribeLogStreams", logGroupName=group["logGroupName"], orderBy="LastEventTime")["logStreams"]:
                call("GetLogEvents", logGroupName=group["logGroupName"], logStreamName=stream["logStreamName"])
            call("FilterLogEvents", logGroupName=group["logGroupName"])
        call("GetLogEvents", "ResourceNotFoundException", logGroupName=name, logStreamName="none")
        call("DeleteLogGroup", logGroupName=name)
        call("DeleteLogGroup", "ResourceNotFoundException", logGroupName=name)

    def servicediscovery(self):
        call = lambda *args, **input: self.call("servicediscovery", *args, **input)
        namespace = call("ListNamespaces", Filters=[{"Name": "TYPE", "Values": ["DNS_PRIVATE"], "Condition": "EQ"}])["Namespaces"][0]["Id"]
        call("GetNamespace", Id=namespace)
        call("GetNamespace", "NamespaceNotFound", Id="ns-none")
        for service in call("ListServices", Filters=[{"Name": "NAMESPACE_ID", "Values": [namespace]}])["Services"]:
            call("GetService", Id=service["Id"])
            for instance in call("ListInstances", ServiceId=service["Id"])["Instances"]:
                call("GetInstance", ServiceId=service["Id"], InstanceId=instance["Id"])
            call("GetInstancesHealthStatus", ServiceId=service["Id"])
        wanted = {
            "Name": "checked",
            "NamespaceId": namespace,
            "CreatorRequestId": "check-1",
            "Description": "made by the check",
            "DnsConfig": {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 10}]},
            "HealthCheckCustomConfig": {},
            "Tags": [{"Key": "a", "Value": "b"}],
        }
        made = call("CreateService", **wanted)["Service"]
        call("CreateService", **wanted)
        call("CreateService", "ServiceAlreadyExists", **{**wanted, "CreatorRequestId": "check-2"})
        call("CreateService", "InvalidInput", **{**wanted, "Name": "with space"})
        call("TagResource", ResourceARN=made["Arn"], Tags=[{"Key": "c", "Value": "d"}])
        call("ListTagsForResource", ResourceARN=made["Arn"])
        call("UntagResource", ResourceARN=made["Arn"], TagKeys=["c"])
        instance = {"ServiceId": made["Id"], "InstanceId": "i-1"}
        operation = call("RegisterInstance", Attributes={"AWS_INSTANCE_IPV4": "10.0.10.99"}, **instance)["OperationId"]
        call("GetOperation", OperationId=operation)
        self.advance(60)
        call("GetOperation", OperationId=operation)
        call("GetInstance", **instance)
        call("GetInstancesHealthStatus", ServiceId=made["Id"])
        call("DeleteService", "ResourceInUse", Id=made["Id"])
        call("DeregisterInstance", **instance)
        self.advance(120)
        call("DeregisterInstance", "InstanceNotFound", **instance)
        call("DeleteService", Id=made["Id"])
        call("GetService", "ServiceNotFound", Id=made["Id"])

    def elbv2(self):
        call = lambda *args, **input: self.call("elbv2", *args, **input)
        balancer = call("DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
        call("DescribeLoadBalancers", "LoadBalancerNotFound", LoadBalancerArns=[balancer + "0"])
        for listener in call("DescribeListeners", LoadBalancerArn=balancer)["Listeners"]:
            call("DescribeRules", ListenerArn=listener["ListenerArn"])
        groups = call("DescribeTargetGroups", LoadBalancerArn=balancer)["TargetGroups"]
        for group in groups:
            arn = group["TargetGroupArn"]
            call("DescribeTargetGroupAttributes", TargetGroupArn=arn)
            call("DescribeTargetHealth", TargetGroupArn=arn)
            call("DescribeTargetHealth", TargetGroupArn=arn, Targets=[{"Id": "10.0.10.254", "Port": 1}])
        call("DescribeTags", ResourceArns=[balancer, groups[0]["TargetGroupArn"]])
        call("ModifyTargetGroup", TargetGroupArn=groups[-1]["TargetGroupArn"], HealthyThresholdCount=3)
        call("ModifyTargetGroup", TargetGroupArn=groups[-1]["TargetGroupArn"], HealthCheckPath="/", Matcher={"HttpCode": "200-399"})
        call("ModifyTargetGroup", "ValidationError", TargetGroupArn=groups[-1]["TargetGroupArn"], HealthCheckPath="jaeger")
        call("ModifyTargetGroup", "TargetGroupNotFound", TargetGroupArn=groups[-1]["TargetGroupArn"] + "0", HealthCheckPath="/")
        call("DescribeTargetHealth", "TargetGroupNotFound", TargetGroupArn=groups[0]["TargetGroupArn"] + "0")
        call("DescribeTargetGroups", "TargetGroupNotFound", Names=["none"])

    def ec2(self):
        call = lambda *args, **input: self.call("ec2", *args, **input)
        group = call("DescribeSecurityGroups")["SecurityGroups"][-1]["GroupId"]
        call("DescribeSecurityGroups", GroupIds=[group])
        call("DescribeSecurityGroups", "InvalidGroup.NotFound", GroupIds=["sg-0"])
        call("DescribeSecurityGroupRules", Filters=[{"Name": "group-id", "Values": [group]}])
        call("DescribeSubnets")
        call("DescribeRouteTables")
        call("DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": ["vpc-none"]}])
        vpc = call("DescribeVpcs")["Vpcs"][0]["VpcId"]
        call("DescribeVpcAttribute", VpcId=vpc, Attribute="enableDnsSupport")
        call("DescribeVpcAttribute", VpcId=vpc, Attribute="enableDnsHostnames")
        rule = [{"IpProtocol": "tcp", "FromPort": 9, "ToPort": 9, "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "check"}]}]
        call("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=rule)
        call("AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", GroupId=group, IpPermissions=rule)
        call("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=rule)
        call("RevokeSecurityGroupIngress", "InvalidPermission.NotFound", GroupId=group, IpPermissions=rule)
        pair = {"GroupId": group, "Description": "to itself"}
        rule = [{"IpProtocol": "udp", "FromPort": 2000, "ToPort": 2000, "UserIdGroupPairs": [pair]}]
        tagged = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "b"}]}]
        made = call("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=rule, TagSpecifications=tagged)["SecurityGroupRules"]
        ids = [made[0]["SecurityGroupRuleId"]]
        call("DescribeSecurityGroupRules", "InvalidSecurityGroupRuleId.NotFound", SecurityGroupRuleIds=ids)  # not seen yet
        self.advance(10)
        call("DescribeSecurityGroupRules", SecurityGroupRuleIds=ids)
        call("RevokeSecurityGroupIngress", GroupId=group, SecurityGroupRuleIds=ids)
        call("RevokeSecurityGroupIngress", "InvalidSecurityGroupRuleId.NotFound", GroupId=group, SecurityGroupRuleIds=ids)
        stranger = [{"IpProtocol": "tcp", "FromPort": 9, "ToPort": 9, "UserIdGroupPairs": [{"GroupId": "sg-0"}]}]
        call("AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound", GroupId=group, IpPermissions=stranger)

    def iam(self):
        call = lambda *args, **input: self.call("iam", *args, **input)
        call("GetRole", "NoSuchEntity", RoleName="none")
        principal = self.world["sts"]["callerIdentity"]["Arn"]
        actions = ["ecs:UpdateService", "iam:PassRole"]
        context = [{"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string", "ContextKeyValues": ["ecs-tasks.amazonaws.com"]}]
        call("SimulatePrincipalPolicy", PolicySourceArn=principal, ActionNames=actions, ResourceArns=["*"], ContextEntries=context)
        call("SimulatePrincipalPolicy", "InvalidInput", PolicySourceArn=f"arn:aws:iam::{self.world['account']}:root", ActionNames=actions)

    def route53(self):
        call = lambda *args, **input: self.call("route53", *args, **input)
        for namespace in self.world["servicediscovery"]["namespaces"]:
            call("GetHostedZone", Id=namespace["Properties"]["DnsProperties"]["HostedZoneId"])
        call("GetHostedZone", "NoSuchHostedZone", Id="Z0")

    def application_autoscaling(self):
        call = lambda *args, **input: self.call("application-autoscaling", *args, **input)
        call("DescribeScalableTargets", ServiceNamespace="ecs")
        call("DescribeScalableTargets", ServiceNamespace="ecs", ResourceIds=["service/none/none"])

    def ecs(self):
        call = lambda *args, **input: self.call("ecs", *args, **input)
        cluster = call("ListClusters")["clusterArns"][0]
        call("DescribeClusters", clusters=[cluster, "none"], include=["SETTINGS", "TAGS", "CONFIGURATIONS", "STATISTICS", "ATTACHMENTS"])
        services = call("ListServices", cluster=cluster, maxResults=100)["serviceArns"]
        described = call("DescribeServices", cluster=cluster, services=services + ["none"], include=["TAGS"])["services"]
        template = next(service for service in described if service["loadBalancers"])
        for service in described:
            self.ecs_history(cluster, service)
        made = self.ecs_task_definition(template)
        self.ecs_service(cluster, template, made)
        call("DeregisterTaskDefinition", taskDefinition=made)
        call("DeleteTaskDefinitions", taskDefinitions=[made])
        call("DescribeServices", "ClusterNotFoundException", cluster="none", services=["none"])

    def ecs_history(self, cluster, service):
        call = lambda *args, **input: self.call("ecs", *args, **input)
        listed = call("ListServiceDeployments", cluster=cluster, service=service["serviceArn"])["serviceDeployments"]
        arns = [deployment["serviceDeploymentArn"] for deployment in listed]
        if arns:
            call("DescribeServiceDeployments", serviceDeploymentArns=arns[:20])
        revisions = [revision["arn"] for revision in service.get("currentServiceRevisions", [])]
        if revisions:
            call("DescribeServiceRevisions", serviceRevisionArns=revisions)
        for status in ("RUNNING", "STOPPED"):
            tasks = call("ListTasks", cluster=cluster, serviceName=service["serviceName"], desiredStatus=status)["taskArns"]
            if tasks:
                call("DescribeTasks", cluster=cluster, tasks=tasks + ["0" * 32], include=["TAGS"])
        call("DescribeTaskDefinition", taskDefinition=service["taskDefinition"], include=["TAGS"])

    def ecs_task_definition(self, template):
        call = lambda *args, **input: self.call("ecs", *args, **input)
        role = call("DescribeTaskDefinition", taskDefinition=template["taskDefinition"])["taskDefinition"]["executionRoleArn"]
        container = {
            "name": "checked",
            "image": "jaegertracing/all-in-one:latest",
            "essential": True,
            "portMappings": [{"containerPort": 16686}, {"containerPort": 4318}],
            "environment": [{"name": "COLLECTOR_OTLP_ENABLED", "value": "true"}],
        }
        wanted = {
            "family": "checked",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "1024",
            "memory": "2048",
            "executionRoleArn": role,
            "containerDefinitions": [container],
            "tags": [{"key": "a", "value": "b"}],
        }
        made = call("RegisterTaskDefinition", **wanted)["taskDefinition"]["taskDefinitionArn"]
        call("RegisterTaskDefinition", "ClientException", **{**wanted, "memory": "777"})
        call("ListTaskDefinitions", familyPrefix="checked", status="ACTIVE", sort="DESC")
        call("ListTagsForResource", resourceArn=made)
        call("TagResource", resourceArn=made, tags=[{"key": "c", "value": "d"}])
        call("UntagResource", resourceArn=made, tagKeys=["c"])
        call("DescribeTaskDefinition", "ClientException", taskDefinition="none:1")
        return made

    def ecs_service(self, cluster, template, task_definition):
        call = lambda *args, **input: self.call("ecs", *args, **input)
        wanted = {
            "cluster": cluster,
            "serviceName": "checked",
            "taskDefinition": task_definition,
            "desiredCount": 1,
            "launchType": "FARGATE",
            "networkConfiguration": template["networkConfiguration"],
            "availabilityZoneRebalancing": "DISABLED",
            "deploymentConfiguration": {
                "minimumHealthyPercent": 0,
                "maximumPercent": 100,
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            },
            "tags": [{"key": "a", "value": "b"}],
        }
        arn = call("CreateService", clientToken="check-1", **wanted)["service"]["serviceArn"]
        call("CreateService", clientToken="check-1", **wanted)
        call("CreateService", "InvalidParameterException", clientToken="check-2", **wanted)
        name = {"cluster": cluster, "service": "checked"}
        self.watch(name)
        call("UpdateService", **name, forceNewDeployment=True)
        self.advance(5)
        deployments = call("ListServiceDeployments", **name)["serviceDeployments"]
        call("StopServiceDeployment", serviceDeploymentArn=deployments[0]["serviceDeploymentArn"], stopType="ROLLBACK")
        self.watch(name)
        call("TagResource", resourceArn=arn, tags=[{"key": "c", "value": "d"}])
        call("ListTagsForResource", resourceArn=arn)
        call("UntagResource", resourceArn=arn, tagKeys=["c"])
        call("ListServicesByNamespace", namespace=self.world["servicediscovery"]["namespaces"][0]["Name"])
        call("UpdateService", "ClientException", **name, taskDefinition="none:1")
        call("UpdateService", "ServiceNotFoundException", cluster=cluster, service="none")
        call("DeleteService", "InvalidParameterException", **name)
        call("DeleteService", **name, force=True)
        self.watch(name)
        call("UpdateService", "ServiceNotActiveException", **name, desiredCount=1)

    def watch(self, name):
        """Looks at a service and its tasks over ten minutes."""
        for seconds in (1, 20, 40, 60, 120, 360):
            self.advance(seconds)
            for service in self.call("ecs", "DescribeServices", cluster=name["cluster"], services=[name["service"]])["services"]:
                if service["status"] == "ACTIVE":
                    self.ecs_history(name["cluster"], service)
