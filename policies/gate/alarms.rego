# Alarms: each goes on to see what it saw, and to tell whom it told.
package indelible.gate

refusals contains refusal("alarm-disabled", c, "the rule would see nothing", "Set state = \"ENABLED\"") if {
	some c in kept
	c.type == "aws_cloudwatch_event_rule"
	not unknown(c, ["state"])
	off(c.after)
}

off(value) if at(value, "state", "ENABLED") == "DISABLED"

off(value) if at(value, "is_enabled", true) == false

refusals contains refusal("alarm-disabled", c, "the alarm would tell nobody", "Set actions_enabled = true") if {
	some c in kept
	c.type == "aws_cloudwatch_metric_alarm"
	at(c.after, "actions_enabled", true) == false
}

refusals contains refusal("alarm-disabled", c, "the trail would record nothing", "Set enable_logging = true") if {
	some c in kept
	c.type == "aws_cloudtrail"
	at(c.after, "enable_logging", true) == false
}

# An event pattern matches fewer events if a field is added to it, or a value taken from one. No pattern (a schedule)
# matches none.
matches_less(text, before) if {
	not matches_all(text, before)
}

matches_all(text, before) if text == before

matches_all(text, before) if {
	json.is_valid(text)
	after := json.unmarshal(text)
	known := json.unmarshal(before)
	every leaf in leaves(after) {
		values_before := object.get(known, leaf.path, null)
		is_array(values_before)
		every value in values_before {
			value in leaf.values
		}
	}
}

leaves(pattern) := {{"path": path, "values": values} |
	walk(pattern, [path, values])
	is_array(values)
	every step in path {
		is_string(step)
	}
}

refusals contains refusal("alarm-narrowed", c, "the rule would match fewer events", "Put the event pattern back; events may be added to it") if {
	some c in kept
	c.type == "aws_cloudwatch_event_rule"
	not unknown(c, ["event_pattern"])
	some base in c.bases
	at(base, "event_pattern", "") != ""
	matches_less(at(c.after, "event_pattern", ""), base.event_pattern)
}

refusals contains refusal("alarm-narrowed", c, "the subscriber would get only some of the messages", "Take filter_policy out, or put back what it was") if {
	some c in kept
	c.type == "aws_sns_topic_subscription"
	not unknown(c, ["filter_policy"])
	some base in c.bases
	at(c.after, "filter_policy", "") != ""
	at(c.after, "filter_policy", "") != at(base, "filter_policy", "")
}

metric_alarm(c) if c.type == "aws_cloudwatch_metric_alarm"

refusals contains refusal("alarm-narrowed", c, sprintf("%s would be %v instead of %v", [attribute, at(c.after, attribute, "unset"), at(base, attribute, "unset")]), "Put it back, or make another alarm beside this one") if {
	some c in kept
	metric_alarm(c)
	some base in c.bases
	some attribute in ["metric_name", "namespace", "dimensions", "comparison_operator", "statistic", "extended_statistic"]
	not unknown(c, [attribute])
	content(object.get(c.after, attribute, null)) != content(object.get(base, attribute, null))
}

refusals contains refusal("alarm-narrowed", c, sprintf("it would go off at %v instead of %v", [c.after.threshold, base.threshold]), "Keep the threshold, or make it more sensitive") if {
	some c in kept
	metric_alarm(c)
	some base in c.bases
	later(at(c.after, "comparison_operator", ""), c.after.threshold, base.threshold)
}

later(operator, after, before) if {
	startswith(operator, "Greater")
	after > before
}

later(operator, after, before) if {
	startswith(operator, "Less")
	after < before
}

refusals contains refusal("alarm-narrowed", c, sprintf("%s would be %v instead of %v", [attribute, c.after[attribute], base[attribute]]), "Keep it, or lower it") if {
	some c in kept
	metric_alarm(c)
	some base in c.bases
	some attribute in ["evaluation_periods", "datapoints_to_alarm", "period"]
	c.after[attribute] > base[attribute]
}

refusals contains refusal("alarm-narrowed", c, "the filter would count other log lines than before", "Put pattern and metric_transformation back, or make another filter beside this one") if {
	some c in kept
	c.type == "aws_cloudwatch_log_metric_filter"
	some base in c.bases
	some attribute in kinds[c.type].judged
	not unknown(c, [attribute])
	content(c.after[attribute]) != content(base[attribute])
}

refusals contains refusal("alarm-redirected", c, "the alarm would not tell all whom it told", "Put alarm_actions back; others may be added") if {
	some c in kept
	metric_alarm(c)
	not unknown(c, ["alarm_actions"])
	some base in c.bases
	some action in listed(object.get(base, "alarm_actions", null))
	not action in listed(object.get(c.after, "alarm_actions", null))
}

refusals contains refusal("alarm-redirected", c, sprintf("what it sees would go to %s instead of %s", [c.after[attribute], base[attribute]]), "Put it back; another target may stand beside it") if {
	some c in kept
	some [type, attribute] in [["aws_cloudwatch_event_target", "arn"], ["aws_sns_topic_subscription", "endpoint"], ["aws_cloudtrail", "s3_bucket_name"]]
	c.type == type
	some base in c.bases
	not unknown(c, [attribute])
	c.after[attribute] != base[attribute]
}

refusals contains refusal("trail-narrowed", c, sprintf("%s would be false", [attribute]), "Set it to true") if {
	some c in kept
	c.type == "aws_cloudtrail"
	some base in c.bases
	some attribute in ["is_multi_region_trail", "include_global_service_events", "is_organization_trail", "enable_log_file_validation"]
	at(base, attribute, false) == true
	at(c.after, attribute, false) != true
}

refusals contains refusal("trail-narrowed", c, "the trail would record fewer events", "Put the event selectors back; others may be added") if {
	some c in kept
	c.type == "aws_cloudtrail"
	some base in c.bases
	some attribute in ["event_selector", "advanced_event_selector"]
	not unknown(c, [attribute])
	some selector in listed(object.get(base, attribute, null))
	not content(selector) in {content(each) | some each in listed(object.get(c.after, attribute, null))}
}

refusals contains refusal("encryption-weakened", c, "the trail would not be encrypted with its key any more", "Put kms_key_id back") if {
	some c in kept
	c.type == "aws_cloudtrail"
	some base in c.bases
	at(base, "kms_key_id", "") != ""
	not unknown(c, ["kms_key_id"])
	at(c.after, "kms_key_id", "") != base.kms_key_id
	not ["key", at(c.after, "kms_key_id", "")] in identities
}

# 0 keeps for ever.
kept_days(value) := 1e30 if at(value, "retention_in_days", 0) == 0

kept_days(value) := value.retention_in_days if at(value, "retention_in_days", 0) != 0

refusals contains refusal("log-retention-shortened", c, sprintf("log lines would be kept for %v days", [c.after.retention_in_days]), "Keep retention_in_days, or raise it") if {
	some c in kept
	c.type == "aws_cloudwatch_log_group"
	not unknown(c, ["retention_in_days"])
	some base in c.bases
	kept_days(c.after) < kept_days(base)
}
