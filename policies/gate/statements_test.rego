package indelible.gate

doc(list) := json.marshal({"Version": "2012-10-17", "Statement": list})

one(fields) := statements(doc([object.union({"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::log/*"}, fields)]))[0]

test_a_statement_covers_itself if covered(one({}), [one({})])

test_statement_and_action_may_be_no_list if {
	statements(`{"Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}`)[0].actions == {"in": {"s3:*"}}
}

test_what_is_no_policy_has_no_statements if {
	not statements("")
	not statements("[]")
	not statements(`{"Statement": []}`)
	not statements(`{"Statement": [{"Effect": "allow"}]}`)
}

test_wildcards_of_aws if {
	like("s3:Delete*", "s3:DeleteObject")
	like("*", "anything/at:all")
	like("s3:GetObjec?", "s3:GetObject")
	not like("s3:GetObject", "s3:GetObjectVersion")
	not like("s3.GetObject", "s3:GetObject")
}

test_a_question_mark_does_not_stand_for_a_star if not like("s3:Get?", "s3:Get*")

test_more_actions_cover if covered(one({}), [one({"Action": ["s3:Delete*", "s3:Put*"]})])

test_actions_are_compared_without_case if covered(one({"Action": "S3:deleteobject"}), [one({})])

test_fewer_actions_do_not_cover if not covered(one({"Action": ["s3:DeleteObject", "s3:DeleteBucket"]}), [one({})])

test_actions_may_be_split_over_statements if {
	covered(one({"Action": ["s3:DeleteObject", "s3:DeleteBucket"]}), [one({}), one({"Action": "s3:DeleteBucket"})])
}

test_fewer_resources_do_not_cover if not covered(one({}), [one({"Resource": "arn:aws:s3:::log/chains/*"})])

test_one_principal_does_not_cover_all if not covered(one({}), [one({"Principal": {"AWS": "arn:aws:iam::123456789012:role/a"}})])

test_a_star_of_aws_is_everybody if covered(one({}), [one({"Principal": {"AWS": "*"}})])

test_an_account_is_its_root if {
	covered(one({"Principal": {"AWS": "123456789012"}}), [one({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}})])
}

test_all_but_some_covers_others if {
	covered(one({}), [statements(doc([{"Effect": "Deny", "Principal": "*", "NotAction": "s3:Get*", "Resource": "*"}]))[0]])
}

test_all_but_some_does_not_cover_those if {
	not covered(one({"Action": "s3:GetObject"}), [statements(doc([{"Effect": "Deny", "Principal": "*", "NotAction": "s3:Get*", "Resource": "*"}]))[0]])
}

test_a_longer_list_of_exceptions_does_not_cover if {
	few := statements(doc([{"Effect": "Deny", "Principal": "*", "NotAction": ["s3:Get*"], "Resource": "*"}]))[0]
	more := statements(doc([{"Effect": "Deny", "Principal": "*", "NotAction": ["s3:Get*", "s3:DeleteObject"], "Resource": "*"}]))[0]
	not covered(few, [more])
	covered(more, [few])
}

condition(operator, key, value) := one({"Condition": {operator: {key: value}}})

test_a_condition_more_is_narrower if {
	not covered(one({}), [condition("Bool", "aws:SecureTransport", "false")])
	covered(condition("Bool", "aws:SecureTransport", "false"), [one({})])
}

test_an_exception_more_is_narrower if {
	one_role := condition("ArnNotEquals", "aws:PrincipalArn", "a")
	two_roles := condition("ArnNotEquals", "aws:PrincipalArn", ["a", "b"])
	not covered(one_role, [two_roles])
	covered(two_roles, [one_role])
}

test_a_value_more_is_wider if {
	one_value := condition("StringEquals", "aws:PrincipalTag/team", "a")
	two_values := condition("StringEquals", "aws:PrincipalTag/team", ["a", "b"])
	covered(one_value, [two_values])
	not covered(two_values, [one_value])
}

test_a_lower_minimum_is_narrower if {
	week := condition("NumericLessThan", "s3:object-lock-remaining-retention-days", "7")
	day := condition("NumericLessThan", "s3:object-lock-remaining-retention-days", 1)
	not covered(week, [day])
	covered(day, [week])
}

test_a_higher_maximum_of_retention_is_let_through if {
	covered(condition("NumericGreaterThan", "s3:object-lock-remaining-retention-days", "60"), [condition("NumericGreaterThan", "s3:object-lock-remaining-retention-days", "90")])
}

test_another_higher_maximum_is_narrower if {
	not covered(condition("NumericGreaterThan", "aws:MultiFactorAuthAge", "60"), [condition("NumericGreaterThan", "aws:MultiFactorAuthAge", "90")])
}

test_if_exists_is_wider_and_not_the_other_way_round if {
	covered(condition("StringNotEquals", "aws:PrincipalOrgID", "o"), [condition("StringNotEqualsIfExists", "aws:PrincipalOrgID", "o")])
	not covered(condition("StringNotEqualsIfExists", "aws:PrincipalOrgID", "o"), [condition("StringNotEquals", "aws:PrincipalOrgID", "o")])
}

test_the_mode_may_become_stronger_only if {
	governance := condition("StringNotEquals", "s3:object-lock-mode", "GOVERNANCE")
	compliance := condition("StringNotEquals", "s3:object-lock-mode", "COMPLIANCE")
	covered(governance, [compliance])
	not covered(compliance, [governance])
}
