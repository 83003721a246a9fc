output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_msk_cluster.mirror.arn
}

output "cluster_arn_pattern" {
  description = "The same with * for the part that MSK chooses: known before the cluster is there."
  value       = local.cluster_arn_pattern
}

output "key_arn" {
  description = "Key that encrypts the brokers' disks. Secrets with passwords of the mirror may use it."
  value       = aws_kms_key.mirror.arn
}

output "topics" {
  description = "Settings of the three topics. An administrator of the brokers makes them once: the provider has no resource for them, and no role of the service may."
  value       = jsondecode(templatefile("${path.module}/../../../policies/kafka/topics.json", { topic = var.topic }))
}

output "service_settings" {
  description = "Settings of the service that go with this cluster. The password is not among them: give INDELIBLE_KAFKA_USERNAME and INDELIBLE_KAFKA_PASSWORD from the secret."
  value = {
    INDELIBLE_KAFKA_BROKERS            = var.authentication != "iam" ? aws_msk_cluster.mirror.bootstrap_brokers_sasl_scram : aws_msk_cluster.mirror.bootstrap_brokers_sasl_iam
    INDELIBLE_KAFKA_TOPIC              = var.topic
    INDELIBLE_KAFKA_TLS                = "true"
    INDELIBLE_KAFKA_SASL_MECHANISM     = "scram-sha-512"
    INDELIBLE_KAFKA_REPLICATION_FACTOR = "3"
  }
}
