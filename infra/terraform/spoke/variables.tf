# Written by ../generate.py from infra/spoke/template.yaml.
variable "stack_name" {
  type        = string
  description = "Name of the stack."
  default     = "studio-broker-spoke"
}

variable "bucket" {
  type        = string
  description = "S3 bucket for the template, in the provider's Region."
}

variable "parameters_file" {
  type        = string
  description = "What `studio-broker teams spoke` wrote for this account."
  default     = null
}

variable "tags" {
  type        = map(string)
  description = "For everything in the stack that can be tagged."
  default     = {}
}

variable "hub_role_arn" {
  type        = string
  description = "ARN of the role that the broker runs with. It must exist already."
  default     = null
}

variable "organization_id" {
  type        = string
  description = "Id of the AWS organization that the broker's account and this one belong to."
  default     = null
}

variable "external_id" {
  type        = string
  description = "external_id of the teams of this account. Empty when they have none."
  default     = null
}

variable "target_role_name" {
  type        = string
  description = "Name of the role that the broker assumes, as STUDIO_BROKER_TARGET_ROLE_NAME has it."
  default     = null
}

variable "bind_session_name" {
  type        = string
  description = "Whether the name of the session must equal its tag User. README.md says when to set it to false."
  default     = null
}

variable "teams1" {
  type        = string
  description = "Ids of teams that share a domain, separated by commas."
  default     = null
}

variable "domain1" {
  type        = string
  description = "Id of their domain."
  default     = null
}

variable "region1" {
  type        = string
  description = "Region of that domain."
  default     = null
}

variable "role1" {
  type        = string
  description = "Path and name of their execution role; {team} stands for the team id, so that each has its own."
  default     = null
}

variable "teams2" {
  type        = string
  description = "Ids of teams that share a domain, separated by commas."
  default     = null
}

variable "domain2" {
  type        = string
  description = "Id of their domain."
  default     = null
}

variable "region2" {
  type        = string
  description = "Region of that domain."
  default     = null
}

variable "role2" {
  type        = string
  description = "Path and name of their execution role; {team} stands for the team id, so that each has its own."
  default     = null
}

variable "teams3" {
  type        = string
  description = "Ids of teams that share a domain, separated by commas."
  default     = null
}

variable "domain3" {
  type        = string
  description = "Id of their domain."
  default     = null
}

variable "region3" {
  type        = string
  description = "Region of that domain."
  default     = null
}

variable "role3" {
  type        = string
  description = "Path and name of their execution role; {team} stands for the team id, so that each has its own."
  default     = null
}

variable "teams4" {
  type        = string
  description = "Ids of teams that share a domain, separated by commas."
  default     = null
}

variable "domain4" {
  type        = string
  description = "Id of their domain."
  default     = null
}

variable "region4" {
  type        = string
  description = "Region of that domain."
  default     = null
}

variable "role4" {
  type        = string
  description = "Path and name of their execution role; {team} stands for the team id, so that each has its own."
  default     = null
}

variable "tag_keys" {
  type        = string
  description = "Keys of the tags that a profile may be created with, Team and User first, then those of the teams' own tags."
  default     = null
}

variable "allowed_security_group_ids" {
  type        = string
  description = "Security groups that a profile may be given. Empty means any."
  default     = null
}

variable "allowed_lifecycle_config_arns" {
  type        = string
  description = "Lifecycle configurations that a profile may be given. Empty means any."
  default     = null
}

variable "allowed_image_arns" {
  type        = string
  description = "Images that a profile may be given. Empty means any."
  default     = null
}

variable "allowed_image_version_arns" {
  type        = string
  description = "Image versions that a profile may be given. Empty means any."
  default     = null
}

variable "adopt_profiles" {
  type        = string
  description = "Whether the broker may put the User tag on profiles that have none. For the time of a migration only."
  default     = null
}

variable "allowed_vpc_endpoint_ids" {
  type        = string
  description = "Endpoints through which URLs are made and used; both, the broker's (SageMaker API) and the users' (Studio)."
  default     = null
}

variable "allowed_vpc_source_cidrs" {
  type        = string
  description = "Private addresses behind these endpoints, of broker and users. Empty means any."
  default     = null
}

variable "allowed_source_cidrs" {
  type        = string
  description = "Public addresses of users who come without an endpoint, and of the broker's way out."
  default     = null
}

variable "administrator_account_id" {
  type        = string
  description = "Account from which administrators run doctor and profiles. Empty makes neither role."
  default     = null
}

variable "administrator_role_arns" {
  type        = string
  description = "Roles there that may use them (* allowed), such as arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_StudioAdmin_*"
  default     = null
}

variable "permissions_boundary_arn" {
  type        = string
  description = "Boundary of the roles, where the organization asks for one."
  default     = null
}

locals {
  parameters = {
    HubRoleArn                 = var.hub_role_arn
    OrganizationId             = var.organization_id
    ExternalId                 = var.external_id
    TargetRoleName             = var.target_role_name
    BindSessionName            = var.bind_session_name
    Teams1                     = var.teams1
    Domain1                    = var.domain1
    Region1                    = var.region1
    Role1                      = var.role1
    Teams2                     = var.teams2
    Domain2                    = var.domain2
    Region2                    = var.region2
    Role2                      = var.role2
    Teams3                     = var.teams3
    Domain3                    = var.domain3
    Region3                    = var.region3
    Role3                      = var.role3
    Teams4                     = var.teams4
    Domain4                    = var.domain4
    Region4                    = var.region4
    Role4                      = var.role4
    TagKeys                    = var.tag_keys
    AllowedSecurityGroupIds    = var.allowed_security_group_ids
    AllowedLifecycleConfigArns = var.allowed_lifecycle_config_arns
    AllowedImageArns           = var.allowed_image_arns
    AllowedImageVersionArns    = var.allowed_image_version_arns
    AdoptProfiles              = var.adopt_profiles
    AllowedVpcEndpointIds      = var.allowed_vpc_endpoint_ids
    AllowedVpcSourceCidrs      = var.allowed_vpc_source_cidrs
    AllowedSourceCidrs         = var.allowed_source_cidrs
    AdministratorAccountId     = var.administrator_account_id
    AdministratorRoleArns      = var.administrator_role_arns
    PermissionsBoundaryArn     = var.permissions_boundary_arn
  }
}
