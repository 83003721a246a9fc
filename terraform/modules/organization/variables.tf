variable "name" {
  description = "Beginning of the policies' names."
  type        = string
}

variable "target_ids" {
  description = "Organizational units or accounts that the policies are attached to: those of the log and of the replica."
  type        = set(string)

  validation {
    condition     = length(var.target_ids) > 0
    error_message = "target_ids: a policy that is attached to nothing protects nothing. Name the organizational unit (ou-…) or accounts of the log."
  }

  validation {
    condition     = alltrue([for id in var.target_ids : can(regex("^(ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|[0-9]{12})$", id))])
    error_message = "target_ids: expected ids of organizational units (ou-…) or of accounts (12 digits). The root (r-…) is not taken: it would bind every account of the organization to the log's rules."
  }
}

variable "organization_id" {
  description = "Id of the organization: who is outside it gets nothing from the log's buckets and keys."
  type        = string

  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id: ${var.organization_id} is no id of an organization. Expected o- and 10 to 32 letters and digits."
  }
}

variable "log_bucket_prefix" {
  description = "Beginning of the names of all log buckets: the policies cover the buckets that begin with it."
  type        = string

  validation {
    condition     = length(var.log_bucket_prefix) >= 3
    error_message = "log_bucket_prefix: expected three characters or more, or the policies would cover buckets that hold no log."
  }
}

variable "deployment" {
  description = "Name of the deployment, as in INDELIBLE_DEPLOYMENT."
  type        = string
}

variable "pipeline_role_arn" {
  description = "The role that Terraform works with, in every account of target_ids; * stands for the account, such as arn:aws:iam::*:role/audit-log-pipeline."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|\\*):role/[\\w+=,.@/-]+$", var.pipeline_role_arn))
    error_message = "pipeline_role_arn: ${var.pipeline_role_arn} is not the ARN of one role. A wildcard may stand for the account alone: one in the role's name would exempt roles that somebody makes to fit it."
  }
}

variable "roles" {
  description = "ARNs of the roles by duty, which nobody but the pipeline may change."
  type = object({
    writer             = string
    mirror             = string
    verifier           = string
    retention_extender = string
    hold_manager       = string
    replication        = string
  })

  validation {
    condition     = alltrue([for arn in values(var.roles) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\\w+=,.@/-]+$", arn))])
    error_message = "roles: each has to be the ARN of a role, such as arn:aws:iam::111122223333:role/audit-log-writer, without wildcards."
  }
}

variable "management_account_id" {
  description = "The account of the organization itself, which its policies do not bind."
  type        = string

  validation {
    condition     = !contains(var.target_ids, var.management_account_id)
    error_message = "management_account_id: ${var.management_account_id} is among target_ids, but policies of the organization do not bind its management account. Keep the log in a member account."
  }
}

variable "tags" {
  description = "Tags of the policies."
  type        = map(string)
  default     = {}
}
