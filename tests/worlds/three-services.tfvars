# The environment's variables, as its terraform.tfvars sets them.
aws_region   = "us-west-2"
project_name = "nexus-ai"
environment  = "staging"

api_cpu           = 4096
api_memory        = 8192
api_desired_count = 2

enable_jaeger        = true
jaeger_cpu           = 1024 # 1 vCPU
jaeger_memory        = 2048 # 2 GB
jaeger_desired_count = 1    # one instance

tags = {
  Project     = "nexus-ai"
  Environment = "staging"
}

# Two more API services beside the first, each with its own family, image and target group.
api_services = ["nexus-ai-api-staging", "nexus-ai-api2-staging", "nexus-ai-api3-staging"]
