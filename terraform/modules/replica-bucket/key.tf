# The copies have a key of their own, in their own account and region: who loses the log's key still reads them.
resource "aws_kms_key" "replica" {
  provider = aws.replica

  description             = "Encrypts the copies of the audit log ${var.deployment}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode(jsondecode(templatefile("${path.module}/../../../policies/kms/replica-store-key.json", local.key_template)))
  tags                    = merge(var.tags, { "indelible:protected" = "store-key" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "replica" {
  provider = aws.replica

  name          = "alias/${var.bucket}"
  target_key_id = aws_kms_key.replica.key_id

  lifecycle {
    prevent_destroy = true
  }
}
