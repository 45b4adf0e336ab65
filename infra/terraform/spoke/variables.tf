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

variable "template" {
  type        = string
  description = "Leave it. A stack of another template keeps its value, and so is not overwritten by this one."
  default     = null
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

variable "doors1" {
  type        = string
  description = "Doors 1 of 32"
  default     = null
}

variable "doors2" {
  type        = string
  description = "Doors 2 of 32"
  default     = null
}

variable "doors3" {
  type        = string
  description = "Doors 3 of 32"
  default     = null
}

variable "doors4" {
  type        = string
  description = "Doors 4 of 32"
  default     = null
}

variable "doors5" {
  type        = string
  description = "Doors 5 of 32"
  default     = null
}

variable "doors6" {
  type        = string
  description = "Doors 6 of 32"
  default     = null
}

variable "doors7" {
  type        = string
  description = "Doors 7 of 32"
  default     = null
}

variable "doors8" {
  type        = string
  description = "Doors 8 of 32"
  default     = null
}

variable "doors9" {
  type        = string
  description = "Doors 9 of 32"
  default     = null
}

variable "doors10" {
  type        = string
  description = "Doors 10 of 32"
  default     = null
}

variable "doors11" {
  type        = string
  description = "Doors 11 of 32"
  default     = null
}

variable "doors12" {
  type        = string
  description = "Doors 12 of 32"
  default     = null
}

variable "doors13" {
  type        = string
  description = "Doors 13 of 32"
  default     = null
}

variable "doors14" {
  type        = string
  description = "Doors 14 of 32"
  default     = null
}

variable "doors15" {
  type        = string
  description = "Doors 15 of 32"
  default     = null
}

variable "doors16" {
  type        = string
  description = "Doors 16 of 32"
  default     = null
}

variable "doors17" {
  type        = string
  description = "Doors 17 of 32"
  default     = null
}

variable "doors18" {
  type        = string
  description = "Doors 18 of 32"
  default     = null
}

variable "doors19" {
  type        = string
  description = "Doors 19 of 32"
  default     = null
}

variable "doors20" {
  type        = string
  description = "Doors 20 of 32"
  default     = null
}

variable "doors21" {
  type        = string
  description = "Doors 21 of 32"
  default     = null
}

variable "doors22" {
  type        = string
  description = "Doors 22 of 32"
  default     = null
}

variable "doors23" {
  type        = string
  description = "Doors 23 of 32"
  default     = null
}

variable "doors24" {
  type        = string
  description = "Doors 24 of 32"
  default     = null
}

variable "doors25" {
  type        = string
  description = "Doors 25 of 32"
  default     = null
}

variable "doors26" {
  type        = string
  description = "Doors 26 of 32"
  default     = null
}

variable "doors27" {
  type        = string
  description = "Doors 27 of 32"
  default     = null
}

variable "doors28" {
  type        = string
  description = "Doors 28 of 32"
  default     = null
}

variable "doors29" {
  type        = string
  description = "Doors 29 of 32"
  default     = null
}

variable "doors30" {
  type        = string
  description = "Doors 30 of 32"
  default     = null
}

variable "doors31" {
  type        = string
  description = "Doors 31 of 32"
  default     = null
}

variable "doors32" {
  type        = string
  description = "Doors 32 of 32"
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

variable "deny_all_from_elsewhere" {
  type        = string
  description = "true refuses every call of the role from another network, not only the opening of Studio and of doors."
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

variable "permissions_boundary_name" {
  type        = string
  description = "Boundary of the roles, a managed policy of the account itself, by its name with its path - the same in every account."
  default     = null
}

variable "permissions_boundary_arn" {
  type        = string
  description = "The boundary by its ARN, for a policy of AWS. Empty where PermissionsBoundaryName names it."
  default     = null
}

locals {
  parameters = {
    Template                   = var.template
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
    Doors1                     = var.doors1
    Doors2                     = var.doors2
    Doors3                     = var.doors3
    Doors4                     = var.doors4
    Doors5                     = var.doors5
    Doors6                     = var.doors6
    Doors7                     = var.doors7
    Doors8                     = var.doors8
    Doors9                     = var.doors9
    Doors10                    = var.doors10
    Doors11                    = var.doors11
    Doors12                    = var.doors12
    Doors13                    = var.doors13
    Doors14                    = var.doors14
    Doors15                    = var.doors15
    Doors16                    = var.doors16
    Doors17                    = var.doors17
    Doors18                    = var.doors18
    Doors19                    = var.doors19
    Doors20                    = var.doors20
    Doors21                    = var.doors21
    Doors22                    = var.doors22
    Doors23                    = var.doors23
    Doors24                    = var.doors24
    Doors25                    = var.doors25
    Doors26                    = var.doors26
    Doors27                    = var.doors27
    Doors28                    = var.doors28
    Doors29                    = var.doors29
    Doors30                    = var.doors30
    Doors31                    = var.doors31
    Doors32                    = var.doors32
    TagKeys                    = var.tag_keys
    AllowedSecurityGroupIds    = var.allowed_security_group_ids
    AllowedLifecycleConfigArns = var.allowed_lifecycle_config_arns
    AllowedImageArns           = var.allowed_image_arns
    AllowedImageVersionArns    = var.allowed_image_version_arns
    AdoptProfiles              = var.adopt_profiles
    AllowedVpcEndpointIds      = var.allowed_vpc_endpoint_ids
    AllowedVpcSourceCidrs      = var.allowed_vpc_source_cidrs
    AllowedSourceCidrs         = var.allowed_source_cidrs
    DenyAllFromElsewhere       = var.deny_all_from_elsewhere
    AdministratorAccountId     = var.administrator_account_id
    AdministratorRoleArns      = var.administrator_role_arns
    PermissionsBoundaryName    = var.permissions_boundary_name
    PermissionsBoundaryArn     = var.permissions_boundary_arn
  }
}
