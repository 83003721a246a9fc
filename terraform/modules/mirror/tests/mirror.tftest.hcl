# What would be lost with each of these: the mirror, purged or deleted by who only means to read it.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  name               = "audit-log"
  subnet_ids         = ["subnet-0a", "subnet-0b", "subnet-0c"]
  security_group_ids = ["sg-0a"]
}

run "topics_are_neither_made_nor_deleted_by_accident" {
  command = plan

  assert {
    condition = length(setsubtract(["auto.create.topics.enable=false", "delete.topic.enable=false", "unclean.leader.election.enable=false", "min.insync.replicas=2", "allow.everyone.if.no.acl.found=false"],
    split("\n", aws_msk_configuration.mirror.server_properties))) == 0
    error_message = "The brokers make or delete topics, or lose what was acknowledged."
  }

  assert {
    condition     = one(one(aws_msk_cluster.mirror.encryption_info).encryption_in_transit).client_broker == "TLS" && one(one(aws_msk_cluster.mirror.encryption_info).encryption_in_transit).in_cluster
    error_message = "Entries and passwords go over the network in clear."
  }

  assert {
    condition     = !one(aws_msk_cluster.mirror.client_authentication).unauthenticated && one(one(aws_msk_cluster.mirror.client_authentication).sasl).scram && !one(one(aws_msk_cluster.mirror.client_authentication).sasl).iam
    error_message = "Whoever reaches a broker may write and purge."
  }

  assert {
    condition     = one(one(one(aws_msk_cluster.mirror.broker_node_group_info).connectivity_info).public_access).type == "DISABLED"
    error_message = "The brokers can be reached from outside."
  }

  assert {
    condition     = one(one(one(aws_msk_cluster.mirror.logging_info).broker_logs).cloudwatch_logs).enabled && aws_cloudwatch_log_group.brokers.retention_in_days >= 365
    error_message = "Who purged the topic can't be found out."
  }

  assert {
    condition     = output.topics.topics[0].name == "audit.events" && output.topics.topics[0].config["retention.ms"] == "-1" && output.topics.topics[0].config["cleanup.policy"] == "delete"
    error_message = "The topic forgets."
  }

  assert {
    condition     = output.service_settings.INDELIBLE_KAFKA_TLS == "true" && output.service_settings.INDELIBLE_KAFKA_SASL_MECHANISM == "scram-sha-512"
    error_message = "The service would not get in."
  }

  assert {
    condition     = output.cluster_arn_pattern == "arn:aws:kafka:eu-central-1:111122223333:cluster/audit-log/*"
    error_message = "The roles get rights on another cluster."
  }
}

run "roles_may_sign_in_beside_passwords" {
  command = plan

  variables {
    authentication    = "scram-and-iam"
    scram_secret_arns = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_mirror-a1b2c3"]
  }

  assert {
    condition     = one(one(aws_msk_cluster.mirror.client_authentication).sasl).scram && one(one(aws_msk_cluster.mirror.client_authentication).sasl).iam && length(aws_msk_scram_secret_association.mirror) == 1
    error_message = "One of the two ways to sign in is off."
  }
}

run "refuses_bad_settings_first" {
  command = plan

  variables {
    # brokers in one zone
    subnet_ids = ["subnet-0a"]
    # brokers without a security group
    security_group_ids = []
    # brokers that ask nobody
    authentication = "none"
    # logs that end within a year
    log_retention_days = 30
    # a topic with blanks
    topic = "audit events"
    # a name in capitals
    name = "AuditLog"
  }

  expect_failures = [var.authentication, var.log_retention_days, var.name, var.security_group_ids, var.subnet_ids, var.topic]
}

run "refuses_bad_settings_second" {
  command = plan

  variables {
    # two brokers
    broker_count = 2
    subnet_ids   = ["subnet-0a", "subnet-0b"]
    # passwords that nobody signs in with
    authentication    = "iam"
    scram_secret_arns = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_mirror-a1b2c3"]
  }

  expect_failures = [var.broker_count, var.scram_secret_arns]
}

run "refuses_bad_settings_third" {
  command = plan

  variables {
    # brokers that can not be spread
    broker_count = 4
    # a secret that msk does not take
    scram_secret_arns = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:mirror-a1b2c3"]
  }

  expect_failures = [var.broker_count, var.scram_secret_arns]
}
