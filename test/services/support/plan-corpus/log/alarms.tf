module "alarms" {
  source = "../../modules/alarms"

  name         = local.name
  deployment   = "audit.example.com"
  account      = "log"
  scope        = "regional"
  bucket       = "${local.name}-entries"
  roles        = local.roles
  trail_bucket = "${local.name}-trail"
  subscribers  = [{ protocol = "sqs", endpoint = "arn:aws:sqs:us-east-1:${local.account}:security" }]
}

# Beside those of the module: a rule of one's own, and lines of the service's log that are counted.
resource "aws_cloudwatch_event_rule" "removal" {
  name        = "${local.name}-removal"
  description = "Somebody tried to delete a bucket or a key."
  state       = "ENABLED"
  tags        = { "indelible:protected" = "alarm" }
  event_pattern = jsonencode({
    source = ["aws.s3", "aws.kms"]
    detail = { eventName = ["DeleteBucket", "DeleteBucketPolicy", "ScheduleKeyDeletion"] }
  })
}

resource "aws_cloudwatch_event_target" "removal" {
  rule = aws_cloudwatch_event_rule.removal.name
  arn  = module.alarms.topic_arn
}

resource "aws_cloudwatch_log_group" "service" {
  name              = "/indelible/service"
  retention_in_days = 400
  tags              = { "indelible:protected" = "service-log" }
}

resource "aws_cloudwatch_log_metric_filter" "denied" {
  name           = "denied"
  log_group_name = aws_cloudwatch_log_group.service.name
  pattern        = "AccessDenied"

  metric_transformation {
    name      = "Denied"
    namespace = "Indelible"
    value     = "1"
  }
}
