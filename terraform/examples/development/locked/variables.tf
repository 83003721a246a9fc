variable "name" {
  description = "Name of the deployment, from which buckets, roles and keys get theirs."
  type        = string
  default     = "audit-log-dev"
}

variable "deployment" {
  description = "INDELIBLE_DEPLOYMENT of the service."
  type        = string
  default     = "audit-log-dev"
}

variable "region" {
  description = "Region of the log."
  type        = string
}

variable "account_id" {
  description = "Account of the log."
  type        = string
}

variable "bucket" {
  description = "Name of the log bucket; it begins with <name>-."
  type        = string
}

variable "pipeline_role" {
  description = "Name of the role that Terraform works with."
  type        = string
  default     = "audit-log-pipeline"
}

variable "retention_days" {
  description = "Each object is locked so long."
  type        = number
  default     = 1

  validation {
    condition     = var.retention_days <= 7
    error_message = "retention_days: ${var.retention_days} is more than a week, and this example is for trials. Lower retention_days, or take the example production for a log that is to stay."
  }
}
