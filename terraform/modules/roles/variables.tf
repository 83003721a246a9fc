variable "name" {
  description = "Beginning of the roles' names: <name>-writer, <name>-mirror and so on. The policies of buckets and keys name the roles by it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,40}$", var.name))
    error_message = "name: ${var.name} can't begin a role's name. Use 2 to 41 lower-case letters, digits and hyphens."
  }
}

variable "trust_policies" {
  description = "Who may take on each role, as a trust policy in JSON; keys writer, mirror, indexer, verifier, retention-extender, hold-manager. A role that is left out is not made. replication is trusted to S3 alone and is not named here."
  type        = map(string)

  validation {
    condition     = length(setsubtract(keys(var.trust_policies), ["writer", "mirror", "indexer", "verifier", "retention-extender", "hold-manager"])) == 0
    error_message = "trust_policies: ${join(", ", setsubtract(keys(var.trust_policies), ["writer", "mirror", "indexer", "verifier", "retention-extender", "hold-manager"]))} is no duty. Use writer, mirror, indexer, verifier, retention-extender and hold-manager."
  }

  validation {
    condition     = length(setsubtract(["writer", "verifier"], keys(var.trust_policies))) == 0
    error_message = "trust_policies: ${join(" and ", setsubtract(["writer", "verifier"], keys(var.trust_policies)))} is missing. A log needs somebody who writes it and somebody who verifies it: name who may take on the role."
  }

  validation {
    condition = alltrue([for json in values(var.trust_policies) : can([for s in jsondecode(json).Statement : s.Effect]) && alltrue([
      for s in try(jsondecode(json).Statement, []) : try(s.Effect, "") == "Deny" || try(s.Principal, "*") != "*" && !contains(try(flatten([s.Principal.AWS]), []), "*")
    ])])
    error_message = "trust_policies: a policy is no JSON with a list Statement, or lets everybody (\"*\") take on a role. Name the principals: the role of a task, an account, a service."
  }
}

variable "permissions_boundary_arn" {
  description = "Boundary of all roles, where the account demands one."
  type        = string
  default     = null
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

variable "replica_account_id" {
  description = "Account of the replica bucket; null without one."
  type        = string
  default     = null

  validation {
    condition     = (var.replica_account_id == null) == (var.replica_bucket == null)
    error_message = "replica_account_id: replica_bucket and replica_account_id belong together. Set both or neither."
  }
}

variable "copied_by" {
  description = "Who copies to the replica bucket, as in the replica-bucket module: s3 makes the role replication; indelible lets the role mirror write there."
  type        = string
  default     = "indelible"

  validation {
    condition     = contains(["s3", "indelible"], var.copied_by)
    error_message = "copied_by: expected s3 or indelible, got ${var.copied_by}."
  }
}

variable "log_bucket_prefix" {
  description = "Beginning of the names of all log buckets."
  type        = string
}

variable "deployment" {
  description = "Name of the deployment, as in INDELIBLE_DEPLOYMENT."
  type        = string
}

variable "signing_key_arn" {
  description = "The key that signs: an output of the root of the locked parts."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.signing_key_arn))
    error_message = "signing_key_arn: expected the ARN of a key, not of an alias: rights are given on keys. Take it from the outputs of the root of the locked parts."
  }
}

variable "store_key_arn" {
  description = "The key that objects are encrypted with."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.store_key_arn))
    error_message = "store_key_arn: expected the ARN of a key, not of an alias: rights are given on keys. Take it from the outputs of the root of the locked parts."
  }
}

variable "msk_cluster_arn" {
  description = "ARN of the MSK cluster. The last part may be *, so that the rights are known before the cluster is there."
  type        = string
}

variable "topic" {
  description = "Topic of the mirror, as in INDELIBLE_KAFKA_TOPIC."
  type        = string
  default     = "audit.events"
}

variable "tags" {
  description = "Tags of the roles."
  type        = map(string)
  default     = {}
}
