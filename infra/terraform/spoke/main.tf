# A spoke by Terraform: the stack of infra/spoke/template.yaml. Variables and outputs are the template's own
# (variables.tf and outputs.tf are written by ../generate.py).

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_s3_bucket" "code" {
  bucket = var.bucket
}

locals {
  template = file("${path.module}/../../spoke/template.yaml")
  # What `studio-broker teams spoke` wrote for this account; a variable that is set goes before it.
  of_file = var.parameters_file == null ? {} : {
    for one in jsondecode(file(var.parameters_file)) : one.ParameterKey => one.ParameterValue
  }
}

# Close to what fits into a call, so it is uploaded.
resource "aws_s3_object" "template" {
  bucket  = var.bucket
  key     = "studio-broker/spoke-${sha256(local.template)}.yaml"
  content = local.template
}

resource "aws_cloudformation_stack" "spoke" {
  name         = var.stack_name
  template_url = "https://${data.aws_s3_bucket.code.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_NAMED_IAM"]
  parameters   = merge(local.of_file, { for name, value in local.parameters : name => value if value != null })
  tags         = var.tags
}
