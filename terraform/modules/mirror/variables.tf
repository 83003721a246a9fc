variable "name" {
  description = "Name of the cluster and its configuration."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,50}$", var.name))
    error_message = "name: ${var.name} can't name a cluster. Use 2 to 51 lower-case letters, digits and hyphens."
  }
}

variable "topic" {
  description = "Topic of the mirror, as in INDELIBLE_KAFKA_TOPIC. The service makes it and its two companions."
  type        = string
  default     = "audit.events"

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,200}$", var.topic))
    error_message = "topic: expected 1 to 200 letters, digits, dots, underscores and hyphens, got ${var.topic}."
  }
}

variable "kafka_version" {
  description = "Version of Kafka."
  type        = string
  default     = "3.9.x"
}

variable "subnet_ids" {
  description = "One subnet an availability zone; the brokers are spread over them."
  type        = list(string)

  validation {
    condition     = length(distinct(var.subnet_ids)) >= 2
    error_message = "subnet_ids: brokers in one availability zone are all lost together. Name subnets of two zones, better three."
  }
}

variable "security_group_ids" {
  description = "Security groups of the brokers."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids: without one the brokers take the VPC's default group. Name a group that lets in the service alone."
  }
}

variable "broker_count" {
  description = "Number of brokers, a multiple of the number of subnets. Three copies of each partition need three."
  type        = number
  default     = 3

  validation {
    condition     = var.broker_count >= 3
    error_message = "broker_count: ${var.broker_count} brokers can't keep three copies of a partition (INDELIBLE_KAFKA_REPLICATION_FACTOR). Use 3 or more."
  }

  validation {
    condition     = var.broker_count % length(var.subnet_ids) == 0
    error_message = "broker_count: ${var.broker_count} is no multiple of the number of subnets, ${length(var.subnet_ids)}, so they can't be spread evenly. Use a multiple."
  }
}

variable "instance_type" {
  description = "Size of a broker."
  type        = string
  default     = "kafka.m7g.large"
}

variable "volume_gib" {
  description = "Disk of a broker. The topic keeps every entry (retention.ms=-1): see docs/mirror.md."
  type        = number
  default     = 500
}

variable "authentication" {
  description = "scram: names and passwords (the service signs in so, with scram-sha-512), with policies/kafka/acls.json. scram-and-iam: consumers may sign in with a role, too. iam: roles alone; the service then needs another cluster."
  type        = string
  default     = "scram"

  validation {
    condition     = contains(["scram", "scram-and-iam", "iam"], var.authentication)
    error_message = "authentication: expected scram, scram-and-iam or iam, got ${var.authentication}. There is no way without: whoever reaches an open broker can purge the topic."
  }
}

variable "scram_secret_arns" {
  description = "Secrets (AmazonMSK_…, encrypted with a key of your own) with the names and passwords of mirror, indexer and consumers."
  type        = set(string)
  default     = []

  validation {
    condition     = var.authentication != "iam" || length(var.scram_secret_arns) == 0
    error_message = "scram_secret_arns: with authentication = \"iam\" nobody signs in with a password. Leave them out, or set authentication = \"scram\"."
  }

  validation {
    condition     = alltrue([for arn in var.scram_secret_arns : can(regex(":secretsmanager:[^:]+:[0-9]{12}:secret:AmazonMSK_", arn))])
    error_message = "scram_secret_arns: MSK takes only secrets whose names begin with AmazonMSK_. Name them so."
  }
}

variable "log_retention_days" {
  description = "So long the brokers' own logs are kept: who did what to the topic is found there."
  type        = number
  default     = 400

  validation {
    condition     = var.log_retention_days >= 365
    error_message = "log_retention_days: ${var.log_retention_days} is less than a year. Who purged the topic could no longer be found out: use 365 or more of the values that CloudWatch takes, such as 400."
  }
}

variable "tags" {
  description = "Tags of the cluster."
  type        = map(string)
  default     = {}
}
