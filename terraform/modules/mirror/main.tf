# The brokers of the mirror. The topic is no record of truth: it can be filled again from the bucket. What stands here
# keeps it from being lost by a slip, and from being purged by who only means to read it.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  broker = jsondecode(file("${path.module}/../../../policies/kafka/broker.json"))
  # Known before the cluster is there, unlike its ARN.
  cluster_arn_pattern = "arn:${data.aws_partition.current.partition}:kafka:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:cluster/${var.name}/*"
}

resource "aws_msk_configuration" "mirror" {
  name              = var.name
  description       = "Brokers of the mirror: topics are neither made nor deleted by accident"
  kafka_versions    = [var.kafka_version]
  server_properties = join("\n", [for name, value in local.broker : "${name}=${value}"])

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_key" "mirror" {
  description             = "Encrypts the mirror ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = merge(var.tags, { "indelible:protected" = "mirror-key" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "brokers" {
  name              = "/indelible/${var.name}/brokers"
  retention_in_days = var.log_retention_days
  tags              = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_msk_cluster" "mirror" {
  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = var.broker_count
  enhanced_monitoring    = "PER_TOPIC_PER_BROKER"
  tags                   = merge(var.tags, { "indelible:protected" = "mirror" })

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.subnet_ids
    security_groups = var.security_group_ids

    storage_info {
      ebs_storage_info {
        volume_size = var.volume_gib
      }
    }

    connectivity_info {
      public_access {
        type = "DISABLED"
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.mirror.arn
    revision = aws_msk_configuration.mirror.latest_revision
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.mirror.arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  client_authentication {
    unauthenticated = false

    sasl {
      iam   = var.authentication != "scram"
      scram = var.authentication != "iam"
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.brokers.name
      }
    }
  }

  lifecycle {
    prevent_destroy = true

    precondition {
      condition     = lookup(local.broker, "auto.create.topics.enable", "true") == "false" && lookup(local.broker, "delete.topic.enable", "true") == "false"
      error_message = "policies/kafka/broker.json: auto.create.topics.enable and delete.topic.enable have to be \"false\", or a client could delete the topic or make one with weak settings. Set both."
    }
  }
}

resource "aws_msk_scram_secret_association" "mirror" {
  count = length(var.scram_secret_arns) > 0 ? 1 : 0

  cluster_arn     = aws_msk_cluster.mirror.arn
  secret_arn_list = var.scram_secret_arns
}
