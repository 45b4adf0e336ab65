# The hub by Terraform: the stack of infra/hub/template.yaml, so that whatever is true of the template is true
# here. Variables and outputs are the template's own (variables.tf and outputs.tf are written by ../generate.py).

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

resource "aws_s3_object" "function" {
  bucket = var.bucket
  key    = "studio-broker/function-${filesha256(var.function_zip)}.zip"
  source = var.function_zip
}

locals {
  # As `sam package` would write it.
  template = replace(
    file("${path.module}/../../hub/template.yaml"),
    "CodeUri: ../..",
    "CodeUri: s3://${var.bucket}/${aws_s3_object.function.key}",
  )
}

# Larger than what fits into a call.
resource "aws_s3_object" "template" {
  bucket  = var.bucket
  key     = "studio-broker/hub-${sha256(local.template)}.yaml"
  content = local.template
}

resource "aws_cloudformation_stack" "hub" {
  name         = var.stack_name
  template_url = "https://${data.aws_s3_bucket.code.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
  parameters   = { for name, value in local.parameters : name => value if value != null }
  tags         = var.tags

  # CloudFormation refuses an update that would replace or delete a table.
  policy_body = file("${path.module}/../../hub/stack-policy.json")

  lifecycle {
    # Terraform refuses a plan that would delete the stack, or make it anew under another name.
    prevent_destroy = true
  }
}
