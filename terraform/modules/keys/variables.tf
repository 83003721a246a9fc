variable "deployment" {
  description = "Name of the deployment, as in INDELIBLE_DEPLOYMENT."
  type        = string
}

variable "name" {
  description = "Beginning of the aliases: alias/<name>-signing and alias/<name>-store."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,60}$", var.name)) && !startswith(var.name, "aws")
    error_message = "name: ${var.name} can't begin an alias. Use 2 to 61 lower-case letters, digits and hyphens, not beginning with aws."
  }
}

variable "roles" {
  description = "ARNs of the roles by duty. The roles need not exist yet: their names are fixed beforehand."
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
    error_message = "roles: each duty needs a role of its own; a pipeline that is the writer, too, could sign and change who may. Name different roles."
  }
}

variable "store_key" {
  description = "Whether to make the key that objects are encrypted with; false where the bucket uses AES256."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of the keys."
  type        = map(string)
  default     = {}
}
