# A role with a boundary, and what has nothing to do with the log.
resource "aws_iam_role" "exporter" {
  name                 = "${local.name}-exporter"
  assume_role_policy   = local.trust
  permissions_boundary = "arn:aws:iam::${local.account}:policy/boundary"
  tags                 = { "indelible:protected" = "role" }
}

resource "aws_iam_role_policy" "exporter" {
  name = "export"
  role = aws_iam_role.exporter.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Reads", Effect = "Allow", Action = "s3:GetObjectVersion", Resource = "arn:aws:s3:::${local.name}-entries/*" },
      { Sid = "NeverDeletes", Effect = "Deny", Action = "s3:Delete*", Resource = "*" },
    ]
  })
}

resource "aws_iam_policy" "scratch" {
  name = "scratch"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "Scratch", Effect = "Allow", Action = ["s3:PutObject", "s3:DeleteObject"], Resource = "arn:aws:s3:::scratch-of-others/*" }]
  })
}

resource "aws_s3_bucket" "scratch" {
  bucket        = "scratch-of-others"
  force_destroy = true
}

resource "aws_s3_bucket_lifecycle_configuration" "scratch" {
  bucket = aws_s3_bucket.scratch.id

  rule {
    id     = "clean"
    status = "Enabled"

    filter {
      prefix = ""
    }

    expiration {
      days = 7
    }
  }
}

resource "aws_kms_key" "scratch" {
  description             = "Nothing of the log."
  deletion_window_in_days = 7
}

resource "aws_sns_topic" "scratch" {
  name = "scratch-of-others"
}
