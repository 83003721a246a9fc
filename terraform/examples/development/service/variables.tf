variable "name" {
  description = "Name of the deployment, as in the root locked."
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
  description = "Name of the log bucket, as in the root locked."
  type        = string
}

variable "trail_bucket" {
  description = "Name of the bucket for the trail that feeds the alarms."
  type        = string
}

variable "signing_key_arn" {
  description = "Output of the root locked."
  type        = string
}

variable "store_key_arn" {
  description = "Output of the root locked."
  type        = string
}

variable "trusted_principal_arns" {
  description = "Who may take on the roles: users or roles of developers."
  type        = list(string)
}

variable "subnet_ids" {
  description = "Subnets of the mirror's brokers."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the mirror's brokers."
  type        = list(string)
}

variable "alarm_email" {
  description = "Who is told of removal attempts."
  type        = string
}

variable "pipeline_role" {
  description = "Name of the role that Terraform works with."
  type        = string
  default     = "audit-log-pipeline"
}
