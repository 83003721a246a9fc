variable "name" {
  description = "Name of the deployment, from which buckets, roles and keys get theirs."
  type        = string
  default     = "audit-log"
}

variable "deployment" {
  description = "INDELIBLE_DEPLOYMENT of the service."
  type        = string
}

variable "region" {
  description = "Region of the log."
  type        = string
}

variable "replica_region" {
  description = "Region of the replica: another one."
  type        = string
}

variable "log_account_id" {
  description = "Account of the log: a member account of its own, with nothing else in it."
  type        = string
}

variable "replica_account_id" {
  description = "Account of the replica: another one, with other administrators."
  type        = string
}

variable "management_account_id" {
  description = "Account of the organization itself."
  type        = string
}

variable "organization_id" {
  description = "Id of the organization (o-…)."
  type        = string
}

variable "organization_target_ids" {
  description = "Organizational unit with both accounts (ou-…), or the two accounts."
  type        = set(string)
}

variable "bucket" {
  description = "Name of the log bucket; it begins with <name>-."
  type        = string
}

variable "replica_bucket" {
  description = "Name of the replica bucket; it begins with <name>-."
  type        = string
}

variable "copied_by" {
  description = "s3 or indelible (docs/replica.md)."
  type        = string
  default     = "s3"
}

variable "pipeline_role" {
  description = "Name of the role that Terraform works with, the same in each account."
  type        = string
  default     = "audit-log-pipeline"
}

variable "i_understand_compliance_is_irreversible" {
  description = "Nobody can shorten or lift COMPLIANCE, and no bucket with locked objects can be deleted. Set it to true only for a log that is to stay."
  type        = bool
  default     = false

  validation {
    condition     = var.i_understand_compliance_is_irreversible
    error_message = "i_understand_compliance_is_irreversible: this example locks with COMPLIANCE, which nobody can undo until retention_days have passed. Set it to true if that is meant; to try things out take the example development."
  }
}

variable "retention_days" {
  description = "Each object is locked so long. Seven years, which the retention extender may prolong; lowering it later changes no object that is there."
  type        = number
  default     = 2557

  validation {
    condition     = var.retention_days <= var.max_retention_days
    error_message = "retention_days: ${var.retention_days} is more than max_retention_days, ${var.max_retention_days}. Lower retention_days; raise max_retention_days only if objects are really to be kept, and paid for, that long."
  }
}

variable "min_retention_days" {
  description = "Both buckets refuse an object with less. A day below retention_days: what remains is counted in whole days."
  type        = number
  default     = 2556
}

variable "max_retention_days" {
  description = "Both buckets refuse an object with more. Fifteen years: the end of the time for which the log is kept at all."
  type        = number
  default     = 5479

  validation {
    condition     = var.max_retention_days <= 5479
    error_message = "max_retention_days: ${var.max_retention_days} is more than fifteen years (5479), for which this example keeps a log. Nobody can delete such an object earlier: lower max_retention_days."
  }
}
