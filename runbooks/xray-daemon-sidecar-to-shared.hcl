# Moves the AWS X-Ray daemon out of the API's tasks into one shared ECS service.
#
# Before:  every API task = api container + its own X-Ray daemon on 127.0.0.1:2000
# After:   API tasks ──▶ xray.PROJECT.local:2000 ──▶ one X-Ray daemon ──▶ AWS X-Ray
#
# The X-Ray SDKs send segments over UDP, where nobody says that one was lost, and fetch their sampling rules over TCP from the same
# address. The daemon passes on what it gets and keeps nothing; it has no UI, no load balancer and no API that tells what came in. What
# tells is its log: a line for each batch that AWS X-Ray took.

runbook "xray-daemon-sidecar-to-shared" {
  description = "Moves the AWS X-Ray daemon from a sidecar in every API task to one shared ECS service"
  enabled     = var.enable_xray
  refuse      = "enable_xray is false: there is no X-Ray daemon to move"
}

# ---- What you set, usually by your own file: `--var-file terraform.tfvars` ------------------------------------------

variable "project_name" {
  type        = string
  description = "First part of every name"

  validation {
    condition     = length(var.project_name) > 0
    error_message = "project_name is empty: it is the first part of every name"
  }
}

variable "environment" {
  type        = string
  description = "Last part of every name: dev, staging, prod"

  validation {
    condition     = length(var.environment) > 0
    error_message = "environment is empty: it is the last part of every name"
  }
}

variable "aws_region" {
  type        = string
  description = "Region of the cluster"
}

variable "aws_account_id" {
  type        = string
  description = "Refuse to run in any other account; null: whichever the credentials lead to"
  default     = null

  validation {
    condition     = var.aws_account_id == null || length(var.aws_account_id) == 12
    error_message = "aws_account_id is not twelve digits (in quotes, for the sake of leading zeros)"
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags of everything that is created"
  default     = {}
}

variable "enable_xray" {
  type        = bool
  description = "Whether this environment has X-Ray daemons at all"
  default     = true
}

# ---- The shared daemon ----------------------------------------------------------------------------------------------

variable "xray_cpu" {
  type        = number
  description = "CPU units of the task: 1024 is one vCPU"
  default     = 256
}

variable "xray_memory" {
  type        = number
  description = "Memory of the task in MiB; Fargate allows only certain sizes for each cpu"
  default     = 512
}

variable "xray_desired_count" {
  type        = number
  description = "Tasks to run. The daemon keeps nothing, so there may be several"
  default     = 1
}

variable "xray_image" {
  type        = string
  description = "Image; the sidecars' own, unless you mean to upgrade as well"
  default     = "public.ecr.aws/xray/aws-xray-daemon:latest"
}

# The image's entry point binds both protocols to every address already: /xray -t 0.0.0.0:2000 -b 0.0.0.0:2000.
variable "xray_command" {
  type        = list(string)
  description = "More arguments of the daemon. -o: do not look for the metadata of an EC2 instance, which a Fargate task does not have"
  default     = ["-o"]
}

variable "xray_environment" {
  type        = map(string)
  description = "More environment variables of its container, HTTPS_PROXY say"
  sensitive   = true
  default     = {}
}

variable "execution_role_arn" {
  type        = string
  description = "Role that pulls the image and writes the logs; empty: the API's"
  default     = ""
}

variable "task_role_arn" {
  type        = string
  description = "Role of the running task, with the permissions of AWSXRayDaemonWriteAccess; empty: the API's, which the sidecars have used so far"
  default     = ""
}

# ---- How it is seen that segments arrive ----------------------------------------------------------------------------

variable "arrival_line" {
  type        = string
  description = "What the daemon logs when AWS X-Ray took a batch of segments; empty: a person says that they arrive"
  default     = "Successfully sent batch of"
}

variable "probe_url" {
  type        = string
  description = "An address of the API that is asked a few times while no segment arrives, for an API that is idle; empty: none"
  default     = ""
}

# ---- A repair that the migration may need: a stage that is left out unless you switch it on -------------------------

variable "open_daemon_ports" {
  type        = bool
  description = "Whether stage open-ports lets the API's tasks in on UDP and TCP 2000 of the shared daemon, where no rule does"
  default     = false
}

variable "rollout_timeout" {
  type        = string
  description = "How long each rollout may take"
  default     = "30m"
}

# ---- Names: empty takes the name that the convention gives (see the locals) -----------------------------------------

variable "api_services" {
  type        = list(string)
  description = "ECS services whose tasks carry the sidecar; empty: PROJECT-api-ENVIRONMENT"
  default     = []
}

variable "api_containers" {
  type        = list(string)
  description = "Containers that are told the shared daemon's address where they were told none; empty: each but the sidecar"
  default     = []
}

variable "daemon_address_before" {
  type        = string
  description = "The address that the API's containers are told, or else take by themselves, now"
  default     = "127.0.0.1:2000"
}

variable "cluster_name" {
  type        = string
  description = "ECS cluster; empty: PROJECT-cluster-ENVIRONMENT"
  default     = ""
}

variable "xray_name" {
  type        = string
  description = "The shared service and its task definition family; empty: PROJECT-xray-ENVIRONMENT"
  default     = ""
}

variable "log_group_name" {
  type        = string
  description = "The shared daemon's log group; empty: /ecs/PROJECT-xray-ENVIRONMENT"
  default     = ""
}

variable "namespace_name" {
  type        = string
  description = "The existing Cloud Map namespace; empty: PROJECT.local"
  default     = ""
}

variable "xray_dns_name" {
  type        = string
  description = "The shared daemon's name in that namespace"
  default     = "xray"
}

variable "sidecar_name" {
  type        = string
  description = "The sidecar container's name in the API's task definition"
  default     = "xray-daemon"
}

locals {
  # coalesce: the first that is neither null nor empty.
  cluster   = coalesce(var.cluster_name, "${var.project_name}-cluster-${var.environment}")
  daemon    = coalesce(var.xray_name, "${var.project_name}-xray-${var.environment}")
  log_group = coalesce(var.log_group_name, "/ecs/${var.project_name}-xray-${var.environment}")
  namespace = coalesce(var.namespace_name, "${var.project_name}.local")

  # coalescelist: the first list that is not empty.
  api_services = coalescelist(var.api_services, ["${var.project_name}-api-${var.environment}"])

  to_be_seen    = "See in the X-Ray console that there are traces of the API that began after its rollout"
  address_after = "${var.xray_dns_name}.${local.namespace}:2000"
}

# What the run is bound to. Another account, Region or cluster is refused, on resume and rollback too.
target {
  region      = var.aws_region
  account     = var.aws_account_id
  environment = var.environment
  cluster     = local.cluster
  services    = local.api_services
}

# ---- The six stages, and one that is left out unless it is switched on ----------------------------------------------

# 1. A place for its logs: without the group the task could not start.
stage "log_group" "create-log-group" {
  name              = local.log_group
  retention_in_days = 7
  tags              = var.tags
}

# 2. What to run.
stage "task_definition" "register-task-definition" {
  family                 = local.daemon
  cpu                    = var.xray_cpu
  memory                 = var.xray_memory
  like_service           = local.api_services[0] # roles and runtime platform, unless given here
  execution_role_arn     = var.execution_role_arn
  task_role_arn          = var.task_role_arn
  task_role_like_service = true # the daemon signs its calls to AWS X-Ray with it
  tags                   = var.tags

  container "xray-daemon" {
    image       = var.xray_image
    essential   = true
    ports       = ["2000/udp", "2000/tcp"] # segments; sampling rules
    environment = merge({ AWS_REGION = var.aws_region }, var.xray_environment)
    command     = var.xray_command

    log {
      group         = local.log_group
      stream_prefix = "xray-daemon"
    }

    # No health check: the image has no shell and no program that could make one. A daemon that cannot start ends its task.
  }
}

# Switched off by default. Without a rule that lets them in, every rollout would be green and every segment lost.
stage "open_ports" "open-ports" {
  enabled      = var.open_daemon_ports
  from         = local.api_services
  to           = local.daemon
  like_service = local.api_services[0] # the security groups that it will have
  ports        = ["2000/udp", "2000/tcp"]
  tags         = var.tags
}

# 3. Run it, next to the sidecars: they keep working.
stage "service" "create-service" {
  name            = local.daemon
  task_definition = local.daemon # the family; the revision is the one that this run registered
  desired_count   = var.xray_desired_count
  like_service    = local.api_services[0] # subnets, security groups, public address, platform, launch type
  tags            = var.tags

  # It keeps nothing, so a new task may run beside the old one: somebody always listens.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  rollout_timeout = var.rollout_timeout
  bake            = "1m" # without a health check ECS calls it running at once: see that it stays so
}

# 4. Give it a name, now that it is proven to run.
stage "dns" "register-dns" {
  namespace       = local.namespace
  name            = var.xray_dns_name
  record_type     = "A"
  ttl             = 10 # seconds; how long an API task may hold on to the address of a daemon that was replaced
  routing_policy  = "MULTIVALUE"
  service         = local.daemon # the ECS service whose tasks it names
  rollout_timeout = var.rollout_timeout
  tags            = var.tags
}

# 5. Point the API at it. The sidecars still run, idle: going back is one rollout.
stage "retarget_env" "retarget-api-env" {
  services        = local.api_services
  sidecar         = var.sidecar_name # its own environment is left alone
  rollout_timeout = var.rollout_timeout
  confirm         = true

  # An API with a sidecar is usually told nothing: the SDKs take 127.0.0.1:2000 by themselves. Then the variable is added, and a
  # rollback takes it out again. The address is said for both protocols.
  set "AWS_XRAY_DAEMON_ADDRESS" {
    from            = var.daemon_address_before
    from_is_default = var.daemon_address_before == "127.0.0.1:2000"
    containers      = var.daemon_address_before == "127.0.0.1:2000" ? var.api_containers : []
    to              = local.address_after
  }

  # The gate before stage 6: the shared daemon says that AWS X-Ray took segments, or a person said so.
  verify "log_lines" {
    service  = local.daemon
    contains = var.arrival_line
    probe    = var.probe_url # a plain GET makes a segment
    within   = "2m"
    look     = local.to_be_seen
  }
}

# 6. Take the sidecar away.
stage "strip_sidecar" "strip-sidecar" {
  services        = local.api_services
  sidecar         = var.sidecar_name
  rollout_timeout = var.rollout_timeout
  confirm         = true

  # Where nothing that the daemon logs tells, somebody has to say it.
  approve = var.arrival_line == "" ? local.to_be_seen : ""
}

# ---- Said with the plan ---------------------------------------------------------------------------------------------

finding "name-held" {
  description = "an X-Ray SDK may look the daemon's name up only once"
  severity    = "note"
  when        = true
  resource    = local.daemon
  found       = "some X-Ray SDKs (the one for Go does) look `${local.address_after}` up once, when they start"
  consequence = "after the shared daemon's task was replaced, an API on such an SDK sends to its old address until it starts anew"
  fix         = "if yours is one, deploy the API anew whenever the shared daemon was replaced (`aws ecs update-service --force-new-deployment`)"
}

# ---- Said at the end ------------------------------------------------------------------------------------------------

# The run changes AWS, not the code that deploys the API: name here what your own files must say from now on.
closing {
  name = "X-Ray daemon"
  code = [
    "the API's task definition: remove the container `${var.sidecar_name}`",
    "the API's task definition: set AWS_XRAY_DAEMON_ADDRESS to ${local.address_after}",
  ]
}
