# Moves the OpenTelemetry collector out of the API's tasks into one shared ECS service.
#
# Before:  every API task = api container + its own collector on localhost:4318
# After:   API tasks ──▶ http://otel.PROJECT.local:4318 ──▶ one collector ──▶ wherever its configuration sends
#
# The default image is AWS's distribution (ADOT); others work too, see the variables. A collector passes on what it gets: it has no UI, no
# load balancer, and no API that tells what came in. So a person says that spans arrive, unless your configuration has it log something
# that tells (variable `arrival_line`).

runbook "otel-collector-sidecar-to-shared" {
  description = "Moves the OpenTelemetry collector from a sidecar in every API task to one shared ECS service"
  enabled     = var.enable_otel
  refuse      = "enable_otel is false: there is no collector to move"
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

variable "enable_otel" {
  type        = bool
  description = "Whether this environment has collectors at all"
  default     = true
}

# ---- The shared collector -------------------------------------------------------------------------------------------

variable "collector_cpu" {
  type        = number
  description = "CPU units of the task: 1024 is one vCPU"
  default     = 512
}

variable "collector_memory" {
  type        = number
  description = "Memory of the task in MiB; Fargate allows only certain sizes for each cpu"
  default     = 1024
}

variable "collector_desired_count" {
  type        = number
  description = "Tasks to run. See the finding spans-apart before you make it more than one"
  default     = 1
}

variable "collector_image" {
  type        = string
  description = "Image; the sidecars' own, unless you mean to upgrade as well"
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:latest"
}

variable "collector_command" {
  type        = list(string)
  description = "Arguments of its container; empty: the configuration for ECS that is in AWS's image, or another image's own default"
  default     = []
}

variable "collector_config" {
  type        = string
  description = "Configuration, as YAML, for AWS's image (AOT_CONFIG_CONTENT); empty: by the arguments, or from a parameter"
  sensitive   = true
  default     = ""
}

variable "collector_config_parameter" {
  type        = string
  description = "ARN, or name, of an SSM parameter with the configuration (AOT_CONFIG_CONTENT); the execution role must be allowed to read it"
  default     = ""

  validation {
    condition     = var.collector_config_parameter == "" || var.collector_config == ""
    error_message = "collector_config and collector_config_parameter are two ways to say the same: set one of them"
  }
}

variable "collector_environment" {
  type        = map(string)
  description = "More environment variables of its container"
  sensitive   = true
  default     = {}
}

variable "collector_secrets" {
  type        = map(string)
  description = "Variables of its container that come from Secrets Manager or Parameter Store: name = ARN; the execution role must be allowed to read them"
  default     = {}
}

# These images have no shell, so CMD-SHELL cannot work. AWS's has a program that asks the extension health_check on 13133; the others
# have none.
variable "collector_health_check" {
  type        = list(string)
  description = "Container health check; empty: /healthcheck for AWS's image, none for others"
  default     = []
}

variable "execution_role_arn" {
  type        = string
  description = "Role that pulls the image, writes the logs and reads secrets; empty: the API's"
  default     = ""
}

variable "task_role_arn" {
  type        = string
  description = "Role of the running task, for exporters to AWS; empty: the API's, which the sidecars have used so far"
  default     = ""
}

# ---- How it is seen that spans arrive -------------------------------------------------------------------------------

variable "arrival_line" {
  type        = string
  description = "What your collector logs when spans came in, \"Traces\" of the debug exporter say; empty: a person says that they arrive"
  default     = ""
}

variable "probe_url" {
  type        = string
  description = "An address of the API that is asked a few times while no span arrives, for an API that is idle; empty: none"
  default     = ""
}

# ---- A repair that the migration may need: a stage that is left out unless you switch it on -------------------------

variable "open_otlp_ports" {
  type        = bool
  description = "Whether stage open-ports lets the API's tasks in on 4317 and 4318 of the shared collector, where no rule does"
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

variable "otlp_endpoint_before" {
  type        = string
  description = "The endpoint that the API's containers are told, or else take by themselves, now"
  default     = "http://localhost:4318"
}

variable "otlp_port" {
  type        = number
  description = "The shared collector's port for the API: 4318 (HTTP) or 4317 (gRPC)"
  default     = 4318
}

variable "otlp_endpoint_unset" {
  type        = bool
  description = "Whether containers that are told no endpoint send to the SDKs' default, and are to be told the shared collector"
  default     = false
}

variable "cluster_name" {
  type        = string
  description = "ECS cluster; empty: PROJECT-cluster-ENVIRONMENT"
  default     = ""
}

variable "collector_name" {
  type        = string
  description = "The shared service and its task definition family; empty: PROJECT-otel-ENVIRONMENT"
  default     = ""
}

variable "log_group_name" {
  type        = string
  description = "The shared collector's log group; empty: /ecs/PROJECT-otel-ENVIRONMENT"
  default     = ""
}

variable "namespace_name" {
  type        = string
  description = "The existing Cloud Map namespace; empty: PROJECT.local"
  default     = ""
}

variable "collector_dns_name" {
  type        = string
  description = "The shared collector's name in that namespace"
  default     = "otel"
}

variable "sidecar_name" {
  type        = string
  description = "The sidecar container's name in the API's task definition"
  default     = "otel-collector"
}

locals {
  # coalesce: the first that is neither null nor empty.
  cluster   = coalesce(var.cluster_name, "${var.project_name}-cluster-${var.environment}")
  collector = coalesce(var.collector_name, "${var.project_name}-otel-${var.environment}")
  log_group = coalesce(var.log_group_name, "/ecs/${var.project_name}-otel-${var.environment}")
  namespace = coalesce(var.namespace_name, "${var.project_name}.local")

  # coalescelist: the first list that is not empty.
  api_services = coalescelist(var.api_services, ["${var.project_name}-api-${var.environment}"])

  # AWS's image by its name.
  image_path = split("/", var.collector_image)
  image_name = split(":", split("@", local.image_path[length(local.image_path) - 1])[0])[0]
  is_aws     = local.image_name == "aws-otel-collector"

  own_command  = local.is_aws ? ["--config=/etc/ecs/ecs-default-config.yaml"] : []
  command      = length(var.collector_command) > 0 ? var.collector_command : local.own_command
  own_check    = local.is_aws ? ["CMD", "/healthcheck"] : []
  health_check = length(var.collector_health_check) > 0 ? var.collector_health_check : local.own_check

  # AWS's image takes its whole configuration from this variable, before what an argument names.
  config  = var.collector_config != "" ? { AOT_CONFIG_CONTENT = var.collector_config } : {}
  secrets = var.collector_config_parameter != "" ? { AOT_CONFIG_CONTENT = var.collector_config_parameter } : {}

  # Whether the configuration, where it can be read, listens on the loopback interface alone.
  on_loopback = length([
    for address in ["localhost:4317", "localhost:4318", "127.0.0.1:4317", "127.0.0.1:4318"] : address
    if replace(var.collector_config, address, "") != var.collector_config
  ]) > 0

  to_be_seen = "See where the collector sends to that there are traces of the API that began after its rollout"
  otlp_after = "http://${var.collector_dns_name}.${local.namespace}:${var.otlp_port}"
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
  family                 = local.collector
  cpu                    = var.collector_cpu
  memory                 = var.collector_memory
  like_service           = local.api_services[0] # roles and runtime platform, unless given here
  execution_role_arn     = var.execution_role_arn
  task_role_arn          = var.task_role_arn
  task_role_like_service = true # exporters to AWS sign their calls with it
  tags                   = var.tags

  container "otel-collector" {
    image       = var.collector_image
    essential   = true
    ports       = [4317, 4318] # OTLP over gRPC, OTLP over HTTP
    environment = merge(local.config, var.collector_environment)
    secrets     = merge(local.secrets, var.collector_secrets)
    command     = local.command

    log {
      group         = local.log_group
      stream_prefix = "otel-collector"
    }

    health_check {
      command      = local.health_check # none where it is empty
      interval     = 30 # seconds, like the rest
      timeout      = 5
      retries      = 3
      start_period = 10
    }
  }
}

# Switched off by default. Without a rule that lets them in, every rollout would be green and every span lost.
stage "open_ports" "open-ports" {
  enabled      = var.open_otlp_ports
  from         = local.api_services
  to           = local.collector
  like_service = local.api_services[0] # the security groups that it will have
  ports        = [4317, 4318]
  tags         = var.tags
}

# 3. Run it, next to the sidecars: they keep working.
stage "service" "create-service" {
  name            = local.collector
  task_definition = local.collector # the family; the revision is the one that this run registered
  desired_count   = var.collector_desired_count
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
}

# 4. Give it a name, now that it is proven to run: the name never answers for something broken.
stage "dns" "register-dns" {
  namespace       = local.namespace
  name            = var.collector_dns_name
  record_type     = "A"
  ttl             = 10 # seconds; how long an API task may hold on to the address of a collector that was replaced
  routing_policy  = "MULTIVALUE"
  service         = local.collector # the ECS service whose tasks it names
  rollout_timeout = var.rollout_timeout
  tags            = var.tags
}

# 5. Point the API at it. The sidecars still run, idle: going back is one rollout.
stage "retarget_env" "retarget-api-env" {
  services        = local.api_services
  sidecar         = var.sidecar_name # its own environment is left alone
  rollout_timeout = var.rollout_timeout
  confirm         = true

  set "OTEL_EXPORTER_OTLP_ENDPOINT" {
    from            = var.otlp_endpoint_before
    from_is_default = var.otlp_endpoint_unset
    to              = local.otlp_after
  }

  # The gate before stage 6: the shared collector logs what tells that spans arrive, or a person said so.
  verify "log_lines" {
    service  = local.collector
    contains = var.arrival_line
    probe    = var.probe_url # a plain GET makes a span
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

  # Where nothing that the collector logs tells, somebody has to say it.
  approve = var.arrival_line == "" ? local.to_be_seen : ""
}

# ---- Said with the plan ---------------------------------------------------------------------------------------------

finding "receives-on-loopback" {
  description = "the collector's configuration listens on the loopback interface alone"
  severity    = "blocker"
  when        = local.on_loopback
  resource    = local.collector
  found       = "variable `collector_config` has a receiver on localhost, as is right for a sidecar"
  consequence = "nobody reaches it from another task: every rollout would be green and every span would be lost"
  fix         = "write 0.0.0.0:4317 and 0.0.0.0:4318 in variable `collector_config`"
}

finding "no-health-check" {
  description = "the image is not AWS's, and has no program for a health check"
  severity    = "note"
  when        = length(local.health_check) == 0
  resource    = local.collector
  found       = "`${var.collector_image}` gets no container health check: the collector's own images have neither a shell nor a program for one"
  consequence = "ECS calls the task well as long as it runs, whatever it does"
  fix         = "set variable `collector_health_check` if your image has such a program"
}

finding "spans-apart" {
  description = "more than one task, and the spans of one trace may reach several"
  severity    = "note"
  when        = var.collector_desired_count > 1
  resource    = local.collector
  found       = "${var.collector_desired_count} tasks would run, and each gets part of the spans of a trace"
  consequence = "what looks at whole traces (tail sampling, metrics of spans) would see only parts of them"
  fix         = "set variable `collector_desired_count` to 1 if your configuration does that"
}

# ---- Said at the end ------------------------------------------------------------------------------------------------

# The run changes AWS, not the code that deploys the API: name here what your own files must say from now on.
closing {
  name = "OpenTelemetry collector"
  code = [
    "the API's task definition: remove the container `${var.sidecar_name}`",
    "the API's task definition: set OTEL_EXPORTER_OTLP_ENDPOINT to ${local.otlp_after}",
  ]
}
