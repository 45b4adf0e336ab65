# Written by ../generate.py from infra/spoke/template.yaml.

output "template" {
  description = "What this stack was made from"
  value       = aws_cloudformation_stack.spoke.outputs["Template"]
}

output "target_role_arn" {
  description = "The role that the broker assumes; a team names it as broker_role_arn when its name is not the default."
  value       = aws_cloudformation_stack.spoke.outputs["TargetRoleArn"]
}

output "doctor_role_arn" {
  description = "The role that doctor reads with."
  value       = try(aws_cloudformation_stack.spoke.outputs["DoctorRoleArn"], null)
}

output "lifecycle_role_arn" {
  description = "The role that profiles offboard, profiles revoke and profiles drift --repair use."
  value       = try(aws_cloudformation_stack.spoke.outputs["LifecycleRoleArn"], null)
}
