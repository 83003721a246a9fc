variable "name" {
  description = "Name of the deployment, as in the root locked."
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
  description = "Region of the replica."
  type        = string
}

variable "log_account_id" {
  description = "Account of the log."
  type        = string
}

variable "replica_account_id" {
  description = "Account of the replica."
  type        = string
}

variable "management_account_id" {
  description = "Account of the organization itself."
  type        = string
}

variable "bucket" {
  description = "Name of the log bucket, as in the root locked."
  type        = string
}

variable "replica_bucket" {
  description = "Name of the replica bucket, as in the root locked."
  type        = string
}

variable "copied_by" {
  description = "As in the root locked."
  type        = string
  default     = "s3"
}

variable "signing_key_arn" {
  description = "Output of the root locked."
  type        = string
}

variable "store_key_arn" {
  description = "Output of the root locked."
  type        = string
}

variable "trust_policies" {
  description = "Who may take on each role: a trust policy in JSON a duty (writer, mirror, indexer, verifier, retention-extender, hold-manager). Different people for retention-extender and hold-manager than for the rest."
  type        = map(string)
}

variable "permissions_boundary_arn" {
  description = "Boundary of all roles, where the account demands one."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Subnets of the mirror's brokers, in three availability zones."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the mirror's brokers."
  type        = list(string)
}

variable "scram_secret_arns" {
  description = "Secrets with the names and passwords of the mirror's users."
  type        = set(string)
  default     = []
}

variable "subscribers" {
  description = "Who is told of removal attempts; at least one outside the team that runs the log."
  type = list(object({
    protocol = string
    endpoint = string
  }))
}

variable "playbooks" {
  description = "Address below which docs/playbooks/ is published."
  type        = string
  default     = ""
}

variable "trail_bucket_prefix" {
  description = "Beginning of the names of the buckets for the three trails: <prefix>-log, <prefix>-replica, <prefix>-management."
  type        = string
}

variable "pipeline_role" {
  description = "Name of the role that Terraform works with, the same in each account."
  type        = string
  default     = "audit-log-pipeline"
}
