# Moves Jaeger out of the API's tasks into one shared ECS service.
#
# Before:  every API task = api container + its own jaeger container
# After:   API tasks ──▶ http://jaeger.PROJECT.local:4318 ──▶ one Jaeger service
#
# It reads like Terraform: variables, locals, then the stages in the order in which they run. Nothing that serves today
# is taken away before its successor is proven. `sidestep plan` shows what it would do, `sidestep rehearse` does it all
# on a simulated AWS, `sidestep rollback` takes it back.

runbook "jaeger-sidecar-to-shared" {
  description = "Moves Jaeger from a sidecar in every API task to one shared ECS service"
  enabled     = var.enable_jaeger
  refuse      = "enable_jaeger is false: there is no Jaeger to move"
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

variable "enable_jaeger" {
  type        = bool
  description = "Whether this environment has Jaeger at all"
  default     = true
}

# ---- The shared Jaeger ----------------------------------------------------------------------------------------------

variable "jaeger_cpu" {
  type        = number
  description = "CPU units of the task: 1024 is one vCPU"
  default     = 1024
}

variable "jaeger_memory" {
  type        = number
  description = "Memory of the task in MiB; Fargate allows only certain sizes for each cpu"
  default     = 2048
}

variable "jaeger_desired_count" {
  type        = number
  description = "Tasks to run. Each keeps its traces in its own memory, so more than one shows only part of them"
  default     = 1
}

variable "jaeger_image" {
  type        = string
  description = "Image; the sidecars' own, unless you mean to upgrade as well"
  default     = "jaegertracing/all-in-one:latest"
}

variable "jaeger_base_path" {
  type        = string
  description = "Path before the UI's and the query API's own, such as /jaeger; empty: none"
  default     = ""
}

variable "jaeger_environment" {
  type        = map(string)
  description = "More environment variables of its container, such as MEMORY_MAX_TRACES (Jaeger 1 only)"
  sensitive   = true
  default     = {}
}

variable "jaeger_command" {
  type        = list(string)
  description = "Arguments of its container, such as --set=… (Jaeger 2)"
  default     = []
}

variable "jaeger_health_check" {
  type        = list(string)
  description = "Container health check. Asks the health port of Jaeger 1 (14269), then that of Jaeger 2 (13133)"
  default = [
    "CMD-SHELL",
    "wget -q --spider http://127.0.0.1:14269/ || wget -q --spider http://127.0.0.1:13133/status || exit 1",
  ]
}

variable "jaeger_url" {
  type        = string
  description = "Where this machine reaches Jaeger's query API to look for spans; empty: the task's own address"
  default     = ""
}

# Through the load balancer the sidecars answer too, until they are stripped. A trace that is found there must have begun
# after the rollout, and finding none proves nothing. So true is assumed of any address that is not plainly the task's.
variable "jaeger_url_through_load_balancer" {
  type        = bool
  description = "Whether sidecars may answer at jaeger_url; null: unless it is the task's address or its name in the namespace"
  default     = null
}

variable "trace_service_name" {
  type        = string
  description = "Service name of the API's spans; empty: what its containers' OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say"
  default     = ""
}

variable "probe_url" {
  type        = string
  description = "An address of the API that is asked a few times while no span arrives, for an API that is idle; empty: none"
  default     = ""
}

variable "execution_role_arn" {
  type        = string
  description = "Role that pulls the image and writes the logs; empty: the API's"
  default     = ""
}

variable "task_role_arn" {
  type        = string
  description = "Role of the running task; empty: none, Jaeger calls no AWS API"
  default     = ""
}

# ---- Repairs that the migration may need: stages that are left out unless you switch them on ------------------------

variable "open_otlp_ports" {
  type        = bool
  description = "Whether stage open-ports lets the API's tasks in on 4317 and 4318 of the shared Jaeger, where no rule does"
  default     = false
}

variable "set_health_path" {
  type        = bool
  description = "Whether stage set-health-path moves the target group's health check under jaeger_base_path"
  default     = false

  validation {
    condition     = !var.set_health_path || trimsuffix(var.jaeger_base_path, "/") != ""
    error_message = "set_health_path needs jaeger_base_path: the path before the UI's own, \"/jaeger\" say"
  }
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

variable "cluster_name" {
  type        = string
  description = "ECS cluster; empty: PROJECT-cluster-ENVIRONMENT"
  default     = ""
}

variable "jaeger_name" {
  type        = string
  description = "The shared service and its task definition family; empty: PROJECT-jaeger-ENVIRONMENT"
  default     = ""
}

variable "log_group_name" {
  type        = string
  description = "Jaeger's log group; empty: /ecs/PROJECT-jaeger-ENVIRONMENT"
  default     = ""
}

variable "namespace_name" {
  type        = string
  description = "The existing Cloud Map namespace; empty: PROJECT.local"
  default     = ""
}

variable "jaeger_dns_name" {
  type        = string
  description = "Jaeger's name in that namespace"
  default     = "jaeger"
}

variable "sidecar_name" {
  type        = string
  description = "The sidecar container's name in the API's task definition"
  default     = "jaeger"
}

locals {
  # coalesce: the first that is neither null nor empty.
  cluster   = coalesce(var.cluster_name, "${var.project_name}-cluster-${var.environment}")
  jaeger    = coalesce(var.jaeger_name, "${var.project_name}-jaeger-${var.environment}")
  log_group = coalesce(var.log_group_name, "/ecs/${var.project_name}-jaeger-${var.environment}")
  namespace = coalesce(var.namespace_name, "${var.project_name}.local")

  # coalescelist: the first list that is not empty.
  api_services = coalescelist(var.api_services, ["${var.project_name}-api-${var.environment}"])

  # The major version by the image's name: all-in-one is Jaeger 1, jaeger is Jaeger 2; of another nothing is known.
  image_path = split("/", var.jaeger_image)
  image_name = split(":", local.image_path[length(local.image_path) - 1])[0]
  jaeger_1   = local.image_name == "all-in-one"
  jaeger_2   = local.image_name == "jaeger"

  # Jaeger 1 takes its base path from the environment, Jaeger 2 from an argument.
  has_path    = var.jaeger_base_path != ""
  base_path_1 = local.has_path && !local.jaeger_2 ? { QUERY_BASE_PATH = var.jaeger_base_path } : {}
  base_path_2 = local.has_path && local.jaeger_2 ? ["--set=extensions.jaeger_query.base_path=${var.jaeger_base_path}"] : []

  otlp_before = "http://localhost:4318"
  otlp_after  = "http://${var.jaeger_dns_name}.${local.namespace}:4318"
}

# What the run is bound to. Another account, Region or cluster is refused, on resume and rollback too.
target {
  region      = var.aws_region
  account     = var.aws_account_id
  environment = var.environment
  cluster     = local.cluster
  services    = local.api_services
}

# ---- The six stages, and two that are left out unless they are switched on -------------------------------------------

# 1. A place for its logs: without the group the task could not start.
stage "log_group" "create-log-group" {
  name              = local.log_group
  retention_in_days = 7
  tags              = var.tags
}

# 2. What to run.
stage "task_definition" "register-task-definition" {
  family             = local.jaeger
  cpu                = var.jaeger_cpu
  memory             = var.jaeger_memory
  like_service       = local.api_services[0] # execution role and runtime platform, unless given here
  execution_role_arn = var.execution_role_arn
  task_role_arn      = var.task_role_arn
  tags               = var.tags

  container "jaeger" {
    image       = var.jaeger_image
    essential   = true
    ports       = [16686, 4317, 4318] # UI and query API, OTLP over gRPC, OTLP over HTTP
    environment = merge({ COLLECTOR_OTLP_ENABLED = "true" }, local.base_path_1, var.jaeger_environment)
    command     = concat(local.base_path_2, var.jaeger_command)

    log {
      group         = local.log_group
      stream_prefix = "jaeger"
    }

    health_check {
      command      = var.jaeger_health_check
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
  to           = local.jaeger
  like_service = local.api_services[0] # the security groups that it will have
  ports        = [4317, 4318]
  tags         = var.tags
}

# Switched off by default. With a base path Jaeger answers 404 outside of it, so the health check moves before it comes. The sidecars
# are in the same group: those that were told no base path answer every path.
stage "health_path" "set-health-path" {
  enabled  = var.set_health_path
  services = local.api_services
  sidecar  = var.sidecar_name
  service  = local.jaeger
  path     = "${trimsuffix(var.jaeger_base_path, "/")}/" # with the slash: newer versions redirect the path without

  # Where a Jaeger says under which path it answers.
  base_path {
    variables = ["QUERY_BASE_PATH"]
    arguments = ["--query.base-path", "--set=extensions.jaeger_query.base_path"]
    hidden_by = ["--config", "--config-file"]
  }
}

# 3. Run it, next to the sidecars: they keep working, and share the target group with it for a while.
stage "service" "create-service" {
  name            = local.jaeger
  task_definition = local.jaeger # the family; the revision is the one that this run registered
  desired_count   = var.jaeger_desired_count
  like_service    = local.api_services[0] # subnets, security groups, public address, platform, launch type
  tags            = var.tags

  # Traces live in the task's memory, so two tasks side by side would show half each: stop the old one first.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  availability_zone_rebalancing      = "DISABLED" # it would need a maximum above 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # Jaeger answers within seconds of its start; a minute spares it a kill while the load balancer takes its first look.
  health_check_grace_period_seconds = 60

  load_balancer {
    container_name = "jaeger"
    container_port = 16686
    from_sidecar   = var.sidecar_name # the group that the API's sidecar is in; or target_group = "its-name"
  }

  rollout_timeout = var.rollout_timeout
}

# 4. Give it a name, now that it is proven to run: the name never answers for something broken.
stage "dns" "register-dns" {
  namespace       = local.namespace
  name            = var.jaeger_dns_name
  record_type     = "A"
  ttl             = 10 # seconds; how long an API task may hold on to the address of a Jaeger that was replaced
  routing_policy  = "MULTIVALUE"
  service         = local.jaeger # the ECS service whose tasks it names
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
    from = local.otlp_before
    to   = local.otlp_after
  }

  # The gate before stage 6: spans arrived, or a person said so. It stands too where the variable was set already.
  verify "spans_arrive" {
    api     = "jaeger-query" # who is asked: Jaeger's query API
    service = local.jaeger # ask its task, unless url says where
    port    = 16686
    url     = var.jaeger_url
    base_path = var.jaeger_base_path
    names   = compact([var.trace_service_name]) # each of these must arrive; none given: each container's own
    ignore  = ["jaeger", "jaeger-all-in-one", "jaeger-query"] # Jaeger's traces of itself
    probe   = var.probe_url # a plain GET makes a span
    within  = "2m"

    through_load_balancer = var.jaeger_url_through_load_balancer
  }
}

# 6. Take the sidecar away, and its place in the load balancer with it.
stage "strip_sidecar" "strip-sidecar" {
  services        = local.api_services
  sidecar         = var.sidecar_name
  rollout_timeout = var.rollout_timeout
  confirm         = true
  warning         = "Traces held in the sidecars' memory go with them, and a rollback cannot bring them back"
}

# ---- Said with the plan ---------------------------------------------------------------------------------------------

finding "image-end-of-life" {
  description = "the image is Jaeger 1"
  severity    = "warning"
  when        = local.jaeger_1
  resource    = local.jaeger
  found       = "`${var.jaeger_image}` is Jaeger 1, whose last version is 1.76.0; its support ended on 2025-12-31"
  consequence = "it gets no repairs any more, of security either"
  fix         = "move now with the image that the sidecars have; then plan the step to jaegertracing/jaeger (Jaeger 2) by itself"
}

finding "image-variables-ignored" {
  description = "the image is Jaeger 2, and environment variables are given, which only Jaeger 1 reads"
  severity    = "warning"
  when        = local.jaeger_2 && length(var.jaeger_environment) > 0
  resource    = local.jaeger
  found       = "`${var.jaeger_image}` is Jaeger 2, and variable `jaeger_environment` sets ${join(", ", keys(var.jaeger_environment))}"
  consequence = "Jaeger 2 ignores MEMORY_MAX_TRACES and the like: it would be as if they were not set"
  fix         = "set variable `jaeger_command` instead, for example [\"--set=extensions.jaeger_storage.backends.some_storage.memory.max_traces=50000\"]"
}

finding "store-unbounded" {
  description = "Jaeger 1 keeps traces in memory without a limit"
  severity    = "warning"
  when        = local.jaeger_1 && lookup(var.jaeger_environment, "MEMORY_MAX_TRACES", "0") == "0"
  resource    = local.jaeger
  found       = "its store keeps traces in memory, and MEMORY_MAX_TRACES is not set: it grows without a limit"
  consequence = "the task is killed when its ${var.jaeger_memory} MiB are full, and every trace in it is lost"
  fix         = "set variable `jaeger_environment`, for example { MEMORY_MAX_TRACES = \"50000\" }"
}

finding "store-split" {
  description = "more than one task, each with a store of its own in memory"
  severity    = "warning"
  when        = var.jaeger_desired_count > 1
  resource    = local.jaeger
  found       = "${var.jaeger_desired_count} tasks would run, each with traces in its own memory"
  consequence = "each shows only the traces that reached it: the UI would show now these, now those"
  fix         = "set variable `jaeger_desired_count` to 1, or give Jaeger a common store first"
}

# ---- Said at the end ------------------------------------------------------------------------------------------------

# The run changes AWS, not the code that deploys the API: name here what your own files must say from now on.
closing {
  name = "Jaeger"
  code = [
    "infrastructure/05-compute-ecs.tf: remove the container `${var.sidecar_name}` from the task definition",
    "infrastructure/05-compute-ecs.tf: set OTEL_EXPORTER_OTLP_ENDPOINT to ${local.otlp_after}",
    "infrastructure/07-services.tf: remove the `load_balancer` block of the container `${var.sidecar_name}`",
  ]
}
