# The environment's variables, as its terraform.tfvars sets them.
aws_region   = "us-west-2"
project_name = "nexus-ai"
environment  = "staging"

enable_xray        = true
xray_cpu           = 256 # a quarter of a vCPU
xray_memory        = 512 # MiB
xray_desired_count = 1

tags = {
  Project     = "nexus-ai"
  Environment = "staging"
}
