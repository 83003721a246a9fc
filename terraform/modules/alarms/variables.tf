variable "name" {
  description = "Beginning of the names of rules, topic, key and trail."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.name))
    error_message = "name: ${var.name} can't begin the names of alarms. Use 2 to 31 lower-case letters, digits and hyphens."
  }
}

variable "deployment" {
  description = "Name of the deployment, as in INDELIBLE_DEPLOYMENT; it stands in each message."
  type        = string
}

variable "account" {
  description = "Which account the provider works in: log, replica or management (that of the organization)."
  type        = string

  validation {
    condition     = contains(["log", "replica", "management"], var.account)
    error_message = "account: expected log, replica or management, got ${var.account}."
  }
}

variable "scope" {
  description = "regional: what happens in the provider's region. global: what IAM and the organization report, in us-east-1 alone."
  type        = string

  validation {
    condition     = contains(["regional", "global"], var.scope)
    error_message = "scope: expected regional or global, got ${var.scope}."
  }

  validation {
    condition     = var.scope == "global" || var.account != "management"
    error_message = "scope: what is watched in the management account is reported in us-east-1 alone. Use global."
  }
}

variable "bucket" {
  description = "Name of the log bucket."
  type        = string
}

variable "replica_bucket" {
  description = "Name of the replica bucket; null without one."
  type        = string
  default     = null
}

variable "roles" {
  description = "ARNs of the roles by duty: what they do by their duty raises no alarm."
  type = object({
    writer             = string
    mirror             = string
    verifier           = string
    retention_extender = string
    hold_manager       = string
    replication        = string
    pipeline           = string
  })
}

variable "subscribers" {
  description = "Who is told: e-mail addresses, phone numbers or https addresses of a pager. At least one."
  type = list(object({
    protocol = string
    endpoint = string
  }))

  validation {
    condition     = length(var.subscribers) > 0
    error_message = "subscribers: an alarm that reaches nobody is none. Name at least one."
  }

  validation {
    condition     = alltrue([for one in var.subscribers : contains(["email", "email-json", "https", "sms", "sqs", "lambda"], one.protocol)])
    error_message = "subscribers: protocol has to be email, email-json, https, sms, sqs or lambda. Plain http is not taken: alarms name accounts and people."
  }
}

variable "playbooks" {
  description = "Address below which the playbooks of docs/playbooks/ are published, ending in a slash; empty: the path in the repository."
  type        = string
  default     = ""

  validation {
    condition     = var.playbooks == "" || can(regex("^https://.+/$", var.playbooks))
    error_message = "playbooks: expected an https address that ends in a slash, or nothing, got ${var.playbooks}."
  }
}

variable "trail_name" {
  description = "A trail of this account that covers all regions and the write events of the bucket's objects: CloudTrail feeds the alarms. Null: one is made."
  type        = string
  default     = null
}

variable "trail_bucket" {
  description = "Name of the bucket for the trail that is made."
  type        = string
  default     = null

  validation {
    condition     = (var.trail_name == null) != (var.trail_bucket == null)
    error_message = "trail_bucket: set trail_bucket, so that a trail is made, or trail_name, which names one that is there; one of the two."
  }

  validation {
    condition     = var.trail_bucket == null ? true : !contains([var.bucket, coalesce(var.replica_bucket, var.bucket)], var.trail_bucket)
    error_message = "trail_bucket: ${coalesce(var.trail_bucket, "-")} is a bucket of the log, which takes nothing but the log. Name another."
  }
}

variable "trail_retention_days" {
  description = "Days for which the trail's files are locked (GOVERNANCE)."
  type        = number
  default     = 400

  validation {
    condition     = var.trail_retention_days >= 1
    error_message = "trail_retention_days: expected 1 or more, got ${var.trail_retention_days}; what shows who tried to remove the log has to be locked, too."
  }
}

variable "replication_rule_id" {
  description = "Id of the rule that replicates bucket to replica_bucket, where S3 copies: adds alarms on copies that fail or are late."
  type        = string
  default     = null

  validation {
    condition     = var.replication_rule_id == null || var.replica_bucket != null
    error_message = "replication_rule_id: there is no replica_bucket to replicate to. Set replica_bucket, or leave replication_rule_id out."
  }
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
