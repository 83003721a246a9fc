# The index and the domain it lies in. An index can be made anew from the log; it is protected against quiet loss.
package indelible.gate

domain(c) if kinds[c.type].kind == "domain"

refusals contains refusal("encryption-weakened", c, sprintf("%s would be off", [attribute]), "Switch it on") if {
	some c in kept
	domain(c)
	some attribute in ["encrypt_at_rest", "node_to_node_encryption"]
	not unknown(c, [attribute])
	some base in c.bases
	at(base, [attribute, 0, "enabled"], false) == true
	at(c.after, [attribute, 0, "enabled"], false) != true
}

refusals contains refusal("encryption-weakened", c, "the domain would answer without TLS", "Set enforce_https = true") if {
	some c in kept
	domain(c)
	not unknown(c, ["domain_endpoint_options"])
	some base in c.bases
	at(base, ["domain_endpoint_options", 0, "enforce_https"], false) == true
	at(c.after, ["domain_endpoint_options", 0, "enforce_https"], false) != true
}

refusals contains refusal("deletion-protection-off", c, "the index could be deleted by the next plan", "Set deletion_protection = true") if {
	some c in kept
	c.type == "elasticstack_elasticsearch_index"
	some base in c.bases
	at(base, "deletion_protection", true) == true
	at(c.after, "deletion_protection", true) == false
}

removing_privileges := {"all", "delete", "delete_index", "manage", "write", "index"}

refusals contains refusal("search-role-widened", c, sprintf("the role would have the privilege %s on %s", [privilege, concat(", ", entry.names)]), "The indexer creates documents (create_doc) and no more") if {
	some c in kept
	c.type == "elasticstack_elasticsearch_security_role"
	some entry in listed(object.get(c.after, "indices", null))
	some privilege in entry.privileges
	privilege in removing_privileges
}

refusals contains refusal("search-role-widened", c, sprintf("the role would have the privilege %s on the cluster", [privilege]), "Leave it out") if {
	some c in kept
	c.type == "elasticstack_elasticsearch_security_role"
	some privilege in listed(object.get(c.after, "cluster", null))
	privilege in {"all", "manage", "manage_security"}
}
