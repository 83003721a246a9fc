variable "bucket" {
  description = "Name of the replica bucket. It begins with log_bucket_prefix, which is what the organization's policies protect."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket)) && !startswith(var.bucket, "xn--") && !endswith(var.bucket, "-s3alias")
    error_message = "bucket: ${var.bucket} is no name for a replica bucket. Use 3 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends; no dots, because a name with dots has no valid TLS certificate."
  }

  validation {
    condition     = startswith(var.bucket, var.log_bucket_prefix)
    error_message = "bucket: ${var.bucket} does not begin with ${var.log_bucket_prefix} (log_bucket_prefix), so the organization's policies would not protect it. Begin the name with the prefix."
  }
}

variable "source_bucket" {
  description = "Name of the log bucket that is copied, as the log-bucket module puts it out: replication can only be set up once it has versions."
  type        = string
}

variable "log_bucket_prefix" {
  description = "Beginning of the names of all log buckets, as the organization's policies have it."
  type        = string

  validation {
    condition     = length(var.log_bucket_prefix) >= 3
    error_message = "log_bucket_prefix: expected three characters or more, or it would cover buckets that hold no log."
  }
}

variable "deployment" {
  description = "Name of the deployment, as in INDELIBLE_DEPLOYMENT."
  type        = string
}

variable "copied_by" {
  description = "s3: S3 replicates each object with its lock, and nobody else may write. indelible: the service's role mirror writes the copies and confirms each one (docs/replica.md)."
  type        = string

  validation {
    condition     = contains(["s3", "indelible"], var.copied_by)
    error_message = "copied_by: expected s3 or indelible, got ${var.copied_by}."
  }
}

variable "roles" {
  description = "ARNs of the roles by duty. All but pipeline belong to the log's account; pipeline is the one of the replica's account. The roles need not exist yet."
  type = object({
    writer             = string
    mirror             = string
    verifier           = string
    retention_extender = string
    hold_manager       = string
    pipeline           = string
    replication        = string
  })

  validation {
    condition     = alltrue([for arn in values(var.roles) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\\w+=,.@/-]+$", arn))])
    error_message = "roles: each has to be the ARN of a role, such as arn:aws:iam::111122223333:role/audit-log-writer, without wildcards. Not so: ${join(", ", [for arn in values(var.roles) : arn if !can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\\w+=,.@/-]+$", arn))])}."
  }

  validation {
    condition     = length(distinct(values(var.roles))) == length(values(var.roles))
    error_message = "roles: each duty needs a role of its own; one role with two duties could write a copy and change what protects it. Name different roles."
  }
}

variable "retention_mode" {
  description = "GOVERNANCE, which an administrator with the right to bypass can set aside, or COMPLIANCE, which nobody can."
  type        = string

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.retention_mode)
    error_message = "retention_mode: expected GOVERNANCE or COMPLIANCE, got ${var.retention_mode}."
  }

  validation {
    condition     = var.retention_mode != "COMPLIANCE" || var.i_understand_compliance_is_irreversible
    error_message = "retention_mode: COMPLIANCE can't be undone, not even by the root user or by AWS: each object stays, and is paid for, until its date. Set i_understand_compliance_is_irreversible = true if that is meant, or retention_mode = \"GOVERNANCE\" to try things out."
  }
}

variable "i_understand_compliance_is_irreversible" {
  description = "Has to be true for COMPLIANCE."
  type        = bool
  default     = false
}

variable "retention_days" {
  description = "Default retention of the bucket in days. A replicated object brings its own date; this is the backstop."
  type        = number

  validation {
    condition     = floor(var.retention_days) == var.retention_days && var.retention_days >= 1
    error_message = "retention_days: expected a whole number of days from 1 on, got ${var.retention_days}."
  }

  validation {
    condition     = var.retention_days <= var.max_retention_days
    error_message = "retention_days: ${var.retention_days} is more than max_retention_days, ${var.max_retention_days}. Lower retention_days; raise max_retention_days only if objects are really to be kept, and paid for, that long."
  }

  validation {
    condition     = var.retention_days >= var.min_retention_days
    error_message = "retention_days: ${var.retention_days} is less than min_retention_days, ${var.min_retention_days}, so the bucket's policy would refuse the copies. Raise retention_days."
  }
}

variable "min_retention_days" {
  description = "The bucket's policy refuses a copy with less."
  type        = number
  default     = 1

  validation {
    condition     = floor(var.min_retention_days) == var.min_retention_days && var.min_retention_days >= 1
    error_message = "min_retention_days: expected a whole number of days from 1 on, got ${var.min_retention_days}; with less a copy could be written that anybody may delete."
  }
}

variable "max_retention_days" {
  description = "The bucket's policy refuses a copy with more."
  type        = number

  validation {
    condition     = var.max_retention_days > var.min_retention_days
    error_message = "max_retention_days: ${var.max_retention_days} is not more than min_retention_days, ${var.min_retention_days}, so the bucket's policy would refuse every copy. Raise max_retention_days."
  }

  validation {
    condition     = floor(var.max_retention_days) == var.max_retention_days && var.max_retention_days >= 1 && var.max_retention_days <= 36500
    error_message = "max_retention_days: expected a whole number of days from 1 to 36500 (100 years, the most S3 takes), got ${var.max_retention_days}."
  }
}

variable "at_hand_days" {
  description = "So long a copy is read at once (Standard, then Glacier Instant Retrieval): seven years."
  type        = number
  default     = 2557

  validation {
    condition     = var.at_hand_days >= 731
    error_message = "at_hand_days: ${var.at_hand_days} is less than two years (731), which is what rules such as SEC 17a-4 ask to be easily accessible. Raise at_hand_days."
  }
}

variable "standard_days" {
  description = "After so many days a copy moves from Standard to Glacier Instant Retrieval. It is read seldom, so this may be early."
  type        = number
  default     = 30

  validation {
    condition     = var.standard_days >= 1 && var.standard_days < var.at_hand_days
    error_message = "standard_days: ${var.standard_days} is not between 1 and at_hand_days, ${var.at_hand_days}. Lower standard_days, or raise at_hand_days."
  }
}

variable "deep_archive_after_days" {
  description = "After so many days a copy moves to Deep Archive, from which a read takes hours. Null: at the end of at_hand_days."
  type        = number
  default     = null

  validation {
    condition     = var.deep_archive_after_days == null ? true : var.deep_archive_after_days >= var.at_hand_days
    error_message = "deep_archive_after_days: ${coalesce(var.deep_archive_after_days, 0)} is before the end of at_hand_days, ${var.at_hand_days}: what has to be at hand would take hours to read. Raise deep_archive_after_days, or leave it out."
  }
}

variable "tags" {
  description = "Tags of the bucket and its key."
  type        = map(string)
  default     = {}
}
