package indelible.gate

with_changes(list) := {
	"format_version": "1.2",
	"planned_values": {},
	"configuration": {"root_module": {}},
	"complete": true,
	"errored": false,
	"resource_changes": list,
}

mark := {"indelible:protected": "x"}

changed(type, before, after) := {
	"address": sprintf("%s.this", [type]),
	"mode": "managed",
	"type": type,
	"name": "this",
	"change": {"actions": ["update"], "before": before, "after": after, "after_unknown": {}},
}

bucket := changed("aws_s3_bucket", {"id": "log", "bucket": "log", "tags_all": mark, "object_lock_enabled": true}, {"id": "log", "bucket": "log", "tags_all": mark, "object_lock_enabled": true})

rules(list) := found if {
	found := {each.rule | some each in refusals} with input as with_changes(list)
}

rules_with_inventory(list, entries) := found if {
	found := {each.rule | some each in refusals} with input as {"plan": with_changes(list), "inventory": entries}
}

test_a_plan_without_changes_passes if rules([bucket]) == set()

test_a_plan_may_have_no_resources_at_all if {
	{each.rule | some each in refusals} == set() with input as object.remove(with_changes([]), ["resource_changes"])
}

test_what_is_no_plan_is_refused if {
	every value in [{}, null, [], "plan", {"format_version": 1}, {"format_version": "1.0", "values": {}}] {
		{each.rule | some each in refusals} == {"unjudgeable"} with input as {"plan": value}
	}
}

test_a_newer_format_is_refused if {
	{each.rule | some each in refusals} == {"unjudgeable"} with input as object.union(with_changes([]), {"format_version": "2.0"})
}

test_actions_of_providers_are_not_judged if {
	{each.rule | some each in refusals} == {"unjudgeable"} with input as object.union(with_changes([]), {"action_invocations": [{"address": "action.aws_lambda_invoke.x"}]})
}

test_what_has_no_mark_may_go if rules([object.union(changed("aws_s3_bucket", {"id": "other", "tags_all": {}}, null), {"change": {"actions": ["delete"]}})]) == set()

test_what_the_inventory_names_may_not_go if {
	list := [object.union(changed("aws_s3_bucket", {"id": "other", "tags_all": {}}, null), {"change": {"actions": ["delete"]}})]
	rules_with_inventory(list, [{"address": "aws_s3_bucket.this", "id": "other"}]) == {"destroyed"}
}

test_a_part_of_a_bucket_is_known_by_its_name if {
	rules([bucket, changed("aws_s3_bucket_versioning", {"bucket": "log", "versioning_configuration": [{"status": "Enabled"}]}, {"bucket": "log", "versioning_configuration": [{"status": "Suspended"}]})]) == {"versioning-off"}
}

test_a_part_of_another_bucket_is_not_judged if {
	rules([bucket, changed("aws_s3_bucket_versioning", {"bucket": "other", "versioning_configuration": [{"status": "Enabled"}]}, {"bucket": "other", "versioning_configuration": [{"status": "Suspended"}]})]) == set()
}

test_a_module_is_known_by_its_source if {
	resource := object.union(changed("aws_cloudwatch_log_group", {"retention_in_days": 400}, {"retention_in_days": 7}), {"module_address": "module.m[\"x\"].module.inner", "address": "module.m[\"x\"].module.inner.aws_cloudwatch_log_group.this"})
	configured := {"root_module": {"module_calls": {"m": {"source": "./mine", "module": {"module_calls": {"inner": {"source": "git::https://example.com/indelible//terraform/modules/mirror?ref=v1"}}}}}}}
	{each.rule | some each in refusals} == {"log-retention-shortened"} with input as object.union(with_changes([resource]), {"configuration": configured})
	{each.rule | some each in refusals} == set() with input as with_changes([resource])
}

test_a_module_of_a_similar_name_is_none_of_ours if {
	resource := object.union(changed("aws_cloudwatch_log_group", {"retention_in_days": 400}, {"retention_in_days": 7}), {"module_address": "module.m"})
	configured := {"root_module": {"module_calls": {"m": {"source": "./modules/mirror-of-others"}}}}
	{each.rule | some each in refusals} == set() with input as object.union(with_changes([resource]), {"configuration": configured})
}

lifecycle(rule) := changed("aws_s3_bucket_lifecycle_configuration", {"bucket": "log", "rule": []}, {"bucket": "log", "rule": [object.union({"id": "r", "status": "Enabled"}, rule)]})

test_only_the_self_test_may_expire if {
	rules([bucket, lifecycle({"filter": [{"prefix": "_self-test/"}], "expiration": [{"days": 1}], "noncurrent_version_expiration": [{"noncurrent_days": 1}]})]) == set()
	rules([bucket, lifecycle({"filter": [{"prefix": "_self-test"}], "expiration": [{"days": 1}]})]) == {"expiration-added"}
	rules([bucket, lifecycle({"filter": [{"and": [{"prefix": "_self-test/", "tags": {"a": "b"}}]}], "expiration": [{"days": 1}]})]) == {"lifecycle-by-tag"}
	rules([bucket, lifecycle({"expiration": [{"date": "2030-01-01T00:00:00Z"}]})]) == {"expiration-added"}
}

test_a_rule_that_is_disabled_does_nothing if rules([bucket, lifecycle({"status": "Disabled", "expiration": [{"days": 1}]})]) == set()

test_a_date_is_no_period if {
	rules([bucket, lifecycle({"transition": [{"date": "2040-01-01T00:00:00Z", "storage_class": "GLACIER"}]})]) == {"transition-early"}
	rules([bucket, lifecycle({"transition": [{"days": 30, "storage_class": "GLACIER_IR"}]})]) == set()
	rules([bucket, lifecycle({"noncurrent_version_transition": [{"noncurrent_days": 30, "storage_class": "GLACIER"}]})]) == {"transition-early"}
}

lock(before, after) := changed("aws_s3_bucket_object_lock_configuration", {"bucket": "log", "rule": [{"default_retention": [before]}]}, {"bucket": "log", "rule": [{"default_retention": [after]}]})

test_days_and_years_are_compared if {
	rules([bucket, lock({"mode": "GOVERNANCE", "years": 1}, {"mode": "GOVERNANCE", "days": 364})]) == {"retention-shortened"}
	rules([bucket, lock({"mode": "GOVERNANCE", "days": 364}, {"mode": "GOVERNANCE", "years": 1})]) == set()
	rules([bucket, lock({"mode": "GOVERNANCE", "days": 5}, {"mode": "GOVERNANCE", "days": 0})]) == {"retention-removed"}
}

unknown_policy(bucket_known) := {
	"address": "aws_s3_bucket_policy.this",
	"mode": "managed",
	"type": "aws_s3_bucket_policy",
	"name": "this",
	"change": {"actions": ["create"], "before": null, "after": bucket_known, "after_unknown": {"policy": true}},
}

test_an_unknown_policy_of_a_bucket_that_is_there_is_refused if rules([bucket, unknown_policy({"bucket": "log"})]) == {"unknown-value"}

test_an_unknown_policy_of_a_new_bucket_is_noted if {
	new := object.union(bucket, {"change": {"actions": ["create"], "before": null}})
	rules([new, unknown_policy({"bucket": "log"})]) == set()
	count(warnings) == 1 with input as with_changes([new, unknown_policy({"bucket": "log"})])
}

test_what_was_weakened_outside_does_not_become_the_measure if {
	days := [{"default_retention": [{"mode": "GOVERNANCE", "days": 1}]}]
	now := object.union(changed("aws_s3_bucket_object_lock_configuration", {"bucket": "log", "rule": days}, {"bucket": "log", "rule": days}), {"change": {"actions": ["no-op"]}})
	drift := {"address": now.address, "mode": "managed", "type": now.type, "change": {"actions": ["update"], "before": {"bucket": "log", "rule": [{"default_retention": [{"mode": "GOVERNANCE", "days": 30}]}]}, "after": {"bucket": "log", "rule": days}}}
	{each.rule | some each in refusals} == {"retention-shortened"} with input as object.union(with_changes([bucket, now]), {"resource_drift": [drift]})
}

test_the_state_has_to_have_what_the_inventory_has if {
	rules_with_inventory([bucket], [{"address": "aws_s3_bucket.this", "id": "log"}]) == set()
	rules_with_inventory([bucket], [{"address": "aws_s3_bucket.this", "id": "another"}]) == {"state-removed"}
	rules_with_inventory([bucket], [{"address": "aws_kms_key.gone", "id": "k"}]) == {"state-removed"}
}

test_properties_of_brokers_are_read_as_kafka_reads_them if {
	properties("# a=1\n a = 2 \nb=c=d\n\nnothing") == {"a": "2", "b": "c=d"}
}

test_without_a_limit_is_the_most if {
	amount("-1") > amount("604800000")
	amount("soon") == 0
}

test_a_pattern_matches_less_with_a_field_more if {
	matches_all(`{"source": ["a", "b"]}`, `{"source": ["a"], "detail": {"x": ["y"]}}`)
	not matches_all(`{"source": ["a"], "detail": {"x": ["y"]}}`, `{"source": ["a"]}`)
	not matches_all(`{"source": ["a"]}`, `{"source": ["a", "b"]}`)
	not matches_all("", `{"source": ["a"]}`)
}
