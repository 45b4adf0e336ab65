# Written by ../generate.py from infra/hub/template.yaml.
variable "stack_name" {
  type        = string
  description = "Name of the stack. Another name is another hub: prevent_destroy refuses it."
}

variable "bucket" {
  type        = string
  description = "S3 bucket for function and template, in the provider's Region."
}

variable "function_zip" {
  type        = string
  description = "The function, as infra/hub/build leaves it: target/hub/arm64/bootstrap.zip."
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

variable "endpoint_type" {
  type        = string
  description = "REGIONAL is reached from the Internet; PRIVATE only through an endpoint of API Gateway in a VPC."
  default     = null
}

variable "domain_name" {
  type        = string
  description = "For example studio.example.com. Empty for the address that API Gateway gives. With a name, that address is switched off."
  default     = null
}

variable "certificate_arn" {
  type        = string
  description = "ARN of the certificate for the host name, in this Region."
  default     = null
}

variable "hosted_zone_id" {
  type        = string
  description = "Zone that gets the record of the host name. Empty where you make the record yourself (see the outputs)."
  default     = null
}

variable "public_url" {
  type        = string
  description = "Where browsers reach a proxy or load balancer of yours that passes on to this API, which then takes nothing from anybody else. Empty without one."
  default     = null
}

variable "proxy_cidrs" {
  type        = string
  description = "Public IPv4 ranges from which the proxy calls this API; nobody else gets through."
  default     = null
}

variable "proxy_secret" {
  type        = string
  description = "What the proxy sends as X-Studio-Broker-Proxy; nobody else gets through. For proxies whose addresses are many, such as CloudFront."
  default     = null
}

variable "entity_id" {
  type        = string
  description = "Empty for the public URL and /saml/metadata, which is right unless an identity provider demands another."
  default     = null
}

variable "stage_name" {
  type        = string
  description = "Last part of the address that API Gateway gives; not seen with a host name of your own."
  default     = null
}

variable "web_acl" {
  type        = string
  description = "An AWS WAF web ACL with a limit for each client address, and with the allowed addresses if there are any. auto makes one for a REGIONAL API. About 6 USD a month and 0.60 USD for a million requests."
  default     = null
}

variable "web_acl_arn" {
  type        = string
  description = "A web ACL that you have, of this Region, in the place of one made here; WebAcl is then no. It must let bodies of 512 KB pass at /saml/acs."
  default     = null
}

variable "managed_rules" {
  type        = string
  description = "yes adds AWS's lists of addresses of bad repute and of known bad inputs to the web ACL made here; behind a proxy, whose address every request has, the second alone."
  default     = null
}

variable "allowed_cidrs" {
  type        = string
  description = "Public IPv4 ranges from which people may sign in, such as 198.51.100.0/24. Empty for everywhere. Needs the web ACL. With shared tables /healthz alone answers everybody, for Route 53's checks."
  default     = null
}

variable "requests_per_address" {
  type        = number
  description = "More requests than this from one address in five minutes are blocked. An office behind one address counts as one."
  default     = null
}

variable "throttle_rate" {
  type        = number
  description = "More requests per second than this, of all people together, are answered with 429. A sign-in takes about four. A flood of 500 a second costs about 8 USD an hour."
  default     = null
}

variable "throttle_burst" {
  type        = number
  description = "So many requests may come at once."
  default     = null
}

variable "client_cidr" {
  type        = string
  description = "PRIVATE only. Who may connect to the endpoint of API Gateway that this stack creates. Behind a proxy (PublicUrl) its addresses alone."
  default     = null
}

variable "execute_api_endpoint_id" {
  type        = string
  description = "PRIVATE only, and not behind a proxy. An endpoint of execute-api that exists already. Empty to create one in the VPC of the function."
  default     = null
}

variable "network" {
  type        = string
  description = "none runs the function outside of any VPC; new makes a VPC without Internet; new-subnets makes private subnets in yours; existing takes yours."
  default     = null
}

variable "vpc_cidr" {
  type        = string
  description = "New VPC only."
  default     = null
}

variable "zone_names" {
  type        = string
  description = "New VPC or subnets only. Two zones in which the services have endpoints. Empty for the Region's first two."
  default     = null
}

variable "vpc_id" {
  type        = string
  description = "Existing VPC only."
  default     = null
}

variable "subnet_cidrs" {
  type        = string
  description = "New subnets in an existing VPC only. A range for each, with a route table that has no way out until you add one."
  default     = null
}

variable "subnet_ids" {
  type        = string
  description = "Existing VPC only. Private subnets in at least two Availability Zones."
  default     = null
}

variable "route_table_ids" {
  type        = string
  description = "Existing VPC only, and only where endpoints are created. They get the route to DynamoDB."
  default     = null
}

variable "create_endpoints" {
  type        = string
  description = "yes for whatever the settings need, no where the VPC has them or a way out. In a VPC that has some, name those that are missing, such as sts,sagemaker.api."
  default     = null
}

variable "logs_endpoint" {
  type        = string
  description = "The function does not need it, Lambda ships its logs outside of the VPC. A container that runs beside it does."
  default     = null
}

variable "organization" {
  type        = string
  description = "Shown on the pages."
  default     = null
}

variable "contact" {
  type        = string
  description = "Shown on the pages to people who cannot get in."
  default     = null
}

variable "session_minutes" {
  type        = number
  description = "How long after a sign-in teams can be opened."
  default     = null
}

variable "url_seconds" {
  type        = number
  description = "How long a browser has to follow the redirect to Studio."
  default     = null
}

variable "clock_skew_seconds" {
  type        = number
  description = "How far the clock of an identity provider may be off."
  default     = null
}

variable "team_cache_seconds" {
  type        = number
  description = "How long a change of a team or an identity provider may go unnoticed."
  default     = null
}

variable "profile_cache_seconds" {
  type        = number
  description = "How long it is believed that a profile exists and is its owner's."
  default     = null
}

variable "client_address" {
  type        = string
  description = "direct without a proxy. Behind N proxies that each append to X-Forwarded-For it is forwarded:(N+1), since API Gateway appends the address of the last proxy - forwarded:2 behind one."
  default     = null
}

variable "sp_key_secret_arn" {
  type        = string
  description = "Secret that holds RSA private keys (PEM). Empty where no identity provider encrypts."
  default     = null
}

variable "identity_store_arn" {
  type        = string
  description = "Where groups come from IAM Identity Center's store instead of the assertion. The hub then runs in its account."
  default     = null
}

variable "tls_roots" {
  type        = string
  description = "Empty for Amazon's own authorities, in China for the system's."
  default     = null
}

variable "url_hosts" {
  type        = string
  description = "Host suffixes from which Studio's addresses are accepted beside the Region's own, for partitions whose hosts nobody has published."
  default     = null
}

variable "log_filter" {
  type        = string
  description = "Decisions are always logged."
  default     = null
}

variable "hub_role_name" {
  type        = string
  description = "The spokes trust the role of this name; it is made by this stack."
  default     = null
}

variable "target_role_name" {
  type        = string
  description = "The broker may assume the role of this name in every account of the organization."
  default     = null
}

variable "further_target_role_arns" {
  type        = string
  description = "Roles that teams name in broker_role_arn and that are called otherwise."
  default     = null
}

variable "permissions_boundary_name" {
  type        = string
  description = "For every role of this stack, where your organization demands one - a managed policy of this account, by its name with its path."
  default     = null
}

variable "permissions_boundary_arn" {
  type        = string
  description = "The boundary by its ARN, for a policy of AWS. Empty where PermissionsBoundaryName names it."
  default     = null
}

variable "table_prefix" {
  type        = string
  description = "The tables are called prefix-teams, prefix-idps and prefix-state. They outlive the stack."
  default     = null
}

variable "table_read_cap" {
  type        = number
  description = "Bounds what a flood can cost. The index of groups reads the whole table of teams."
  default     = null
}

variable "table_write_cap" {
  type        = number
  description = "Bounds what a flood can cost. A sign-in writes one item, about 2 KB."
  default     = null
}

variable "kms_key_arn" {
  type        = string
  description = "Encrypts tables and logs; its policy must let DynamoDB and CloudWatch Logs use it. Empty for keys that AWS manages."
  default     = null
}

variable "break_glass_role_arn" {
  type        = string
  description = "The one role besides the hub's that may touch the data of the state table. Empty for nobody."
  default     = null
}

variable "tables" {
  type        = string
  description = "own makes them here; shared takes those of infra/regions/tables.yaml, under the same TablePrefix. Never change it for a hub that has run."
  default     = null
}

variable "teams_stream_arn" {
  type        = string
  description = "Shared tables only - for the hub that checks edited items, one of the two. Output of the tables' stack."
  default     = null
}

variable "idps_stream_arn" {
  type        = string
  description = "Likewise."
  default     = null
}

variable "other_region" {
  type        = string
  description = "Shared tables only - the hub role is one for both hubs, so it must know both Regions. The other stack has the same name."
  default     = null
}

variable "other_kms_key_arn" {
  type        = string
  description = "What KmsKeyArn is in the other Region."
  default     = null
}

variable "makes_hub_role" {
  type        = string
  description = "no in the second of two Regions, which wears the role that the first has made."
  default     = null
}

variable "architecture" {
  type        = string
  description = "Must be that of the build."
  default     = null
}

variable "memory_megabytes" {
  type        = number
  description = "Also sets the share of a processor. The process itself stays below 30 MB."
  default     = null
}

variable "reserved_concurrency" {
  type        = number
  description = "Keeps so many executions for the broker, and never runs more. 0 for the account's common pool."
  default     = null
}

variable "provisioned_concurrency" {
  type        = number
  description = "So many executions wait for people at any time, and are paid at any time. 0 for none."
  default     = null
}

variable "release" {
  type        = string
  description = "Whom a changed function or setting meets first. An alarm of the release brings the one before back."
  default     = null
}

variable "code_signing_config_arn" {
  type        = string
  description = "Where only signed code may run."
  default     = null
}

variable "fips_endpoints" {
  type        = string
  description = "yes calls AWS at its FIPS 140 endpoints, where the Region has them - in the US, Canada and GovCloud."
  default     = null
}

variable "lambda_insights_layer_arn" {
  type        = string
  description = "AWS's layer with the extension of Lambda Insights for this Region and processor. It is billed as metrics and logs, and lengthens cold starts. Empty without."
  default     = null
}

variable "log_retention_days" {
  type        = number
  description = "The audit of sign-ins is part of the logs."
  default     = null
}

variable "api_gateway_account" {
  type        = string
  description = "Sets the role with which API Gateway writes access logs, for the whole Region. no where the account has one."
  default     = null
}

variable "alarm_topic_arn" {
  type        = string
  description = "Gets the alarms. Empty for alarms that are only seen in the console."
  default     = null
}

variable "refusals_per_five_minutes" {
  type        = number
  description = "More refused sign-ins and openings than this in five minutes are an alarm."
  default     = null
}

locals {
  parameters = {
    Template                = var.template
    EndpointType            = var.endpoint_type
    DomainName              = var.domain_name
    CertificateArn          = var.certificate_arn
    HostedZoneId            = var.hosted_zone_id
    PublicUrl               = var.public_url
    ProxyCidrs              = var.proxy_cidrs
    ProxySecret             = var.proxy_secret
    EntityId                = var.entity_id
    StageName               = var.stage_name
    WebAcl                  = var.web_acl
    WebAclArn               = var.web_acl_arn
    ManagedRules            = var.managed_rules
    AllowedCidrs            = var.allowed_cidrs
    RequestsPerAddress      = var.requests_per_address
    ThrottleRate            = var.throttle_rate
    ThrottleBurst           = var.throttle_burst
    ClientCidr              = var.client_cidr
    ExecuteApiEndpointId    = var.execute_api_endpoint_id
    Network                 = var.network
    VpcCidr                 = var.vpc_cidr
    ZoneNames               = var.zone_names
    VpcId                   = var.vpc_id
    SubnetCidrs             = var.subnet_cidrs
    SubnetIds               = var.subnet_ids
    RouteTableIds           = var.route_table_ids
    CreateEndpoints         = var.create_endpoints
    LogsEndpoint            = var.logs_endpoint
    Organization            = var.organization
    Contact                 = var.contact
    SessionMinutes          = var.session_minutes
    UrlSeconds              = var.url_seconds
    ClockSkewSeconds        = var.clock_skew_seconds
    TeamCacheSeconds        = var.team_cache_seconds
    ProfileCacheSeconds     = var.profile_cache_seconds
    ClientAddress           = var.client_address
    SpKeySecretArn          = var.sp_key_secret_arn
    IdentityStoreArn        = var.identity_store_arn
    TlsRoots                = var.tls_roots
    UrlHosts                = var.url_hosts
    LogFilter               = var.log_filter
    HubRoleName             = var.hub_role_name
    TargetRoleName          = var.target_role_name
    FurtherTargetRoleArns   = var.further_target_role_arns
    PermissionsBoundaryName = var.permissions_boundary_name
    PermissionsBoundaryArn  = var.permissions_boundary_arn
    TablePrefix             = var.table_prefix
    TableReadCap            = var.table_read_cap
    TableWriteCap           = var.table_write_cap
    KmsKeyArn               = var.kms_key_arn
    BreakGlassRoleArn       = var.break_glass_role_arn
    Tables                  = var.tables
    TeamsStreamArn          = var.teams_stream_arn
    IdpsStreamArn           = var.idps_stream_arn
    OtherRegion             = var.other_region
    OtherKmsKeyArn          = var.other_kms_key_arn
    MakesHubRole            = var.makes_hub_role
    Architecture            = var.architecture
    MemoryMegabytes         = var.memory_megabytes
    ReservedConcurrency     = var.reserved_concurrency
    ProvisionedConcurrency  = var.provisioned_concurrency
    Release                 = var.release
    CodeSigningConfigArn    = var.code_signing_config_arn
    FipsEndpoints           = var.fips_endpoints
    LambdaInsightsLayerArn  = var.lambda_insights_layer_arn
    LogRetentionDays        = var.log_retention_days
    ApiGatewayAccount       = var.api_gateway_account
    AlarmTopicArn           = var.alarm_topic_arn
    RefusalsPerFiveMinutes  = var.refusals_per_five_minutes
  }
}
