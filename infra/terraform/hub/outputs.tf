# Written by ../generate.py from infra/hub/template.yaml.

output "template" {
  description = "What this stack was made from."
  value       = aws_cloudformation_stack.hub.outputs["Template"]
}

output "acs_url" {
  description = "Identity Center: Application ACS URL. Okta: Single sign-on URL. Entra ID: Reply URL."
  value       = aws_cloudformation_stack.hub.outputs["AcsUrl"]
}

output "audience" {
  description = "Identity Center: Application SAML audience. Okta: Audience URI (SP Entity ID). Entra ID: Identifier (Entity ID)."
  value       = aws_cloudformation_stack.hub.outputs["Audience"]
}

output "metadata_url" {
  description = "SAML metadata of the broker, for identity providers that read it."
  value       = aws_cloudformation_stack.hub.outputs["MetadataUrl"]
}

output "portal_url" {
  description = "The page with a person's teams, for bookmarks. Identity Center: leave Application start URL empty."
  value       = aws_cloudformation_stack.hub.outputs["PortalUrl"]
}

output "hub_role_arn" {
  description = "Parameter HubRoleArn of the spokes and of the organization's stack."
  value       = aws_cloudformation_stack.hub.outputs["HubRoleArn"]
}

output "teams_table_name" {
  description = "Setting STUDIO_BROKER_TEAMS_TABLE of the command line."
  value       = aws_cloudformation_stack.hub.outputs["TeamsTableName"]
}

output "idps_table_name" {
  description = "Setting STUDIO_BROKER_IDPS_TABLE of the command line."
  value       = aws_cloudformation_stack.hub.outputs["IdpsTableName"]
}

output "state_table_name" {
  description = "Setting STUDIO_BROKER_STATE_TABLE of the command line."
  value       = aws_cloudformation_stack.hub.outputs["StateTableName"]
}

output "team_editors_policy_arn" {
  description = "Policy for people who may change who gets into one team."
  value       = aws_cloudformation_stack.hub.outputs["TeamEditorsPolicyArn"]
}

output "rest_api_id" {
  description = "Id of the REST API."
  value       = aws_cloudformation_stack.hub.outputs["RestApiId"]
}

output "execute_api_endpoint" {
  description = "The endpoint through which browsers reach the broker."
  value       = try(aws_cloudformation_stack.hub.outputs["ExecuteApiEndpoint"], null)
}

output "domain_target" {
  description = "Where the host name must point (CNAME or alias), unless HostedZoneId made the record."
  value       = try(aws_cloudformation_stack.hub.outputs["DomainTarget"], null)
}

output "broker_log_group" {
  description = "The audit of sign-ins and openings."
  value       = aws_cloudformation_stack.hub.outputs["BrokerLogGroup"]
}

output "next_command" {
  description = "Run this with the metadata file of your identity provider, then continue in infra/README.md."
  value       = aws_cloudformation_stack.hub.outputs["NextCommand"]
}
