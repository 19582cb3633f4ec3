"""Mistakes that somebody will make one day, each in a copy: Terraform, or a check of ours, must say so.

A check that nobody has seen fail proves nothing.
"""

import leftovers
import order
from workspace import AS_RENDERED


def validate(workspace):
    """What the providers' tables and Terraform find by looking."""
    return workspace.outcome("validate", "-no-color")[1]


def access(workspace):
    """What the tests of users, profiles and rights find."""
    return workspace.outcome("test", "-no-color", "-filter=tests/access.tftest.hcl")[1]


def queues(workspace):
    """What the tests of queues find."""
    return workspace.outcome("test", "-no-color", "-filter=tests/queues.tftest.hcl")[1]


def names(workspace):
    """What the tests of the module without a provider find."""
    return workspace.outcome("test", "-no-color", folder=workspace.root / "modules" / "names")[1]


def unused(workspace):
    """What nobody uses."""
    return "\n".join(leftovers.check(workspace.root))


def applied(workspace):
    """What comes too early when all of it is applied."""
    workspace.run("apply", "-auto-approve", *AS_RENDERED)
    return "\n".join(order.check(workspace.applied()))


# Who must find it; file; what stands there, what somebody writes instead; what must be said.
MISTAKES = {
    "an_attribute_that_the_provider_does_not_have": (
        validate,
        "modules/queues/main.tf",
        "max_msg_spool_usage  ",
        "max_msg_spool_use    ",
        'An argument named "max_msg_spool_use" is not expected here',
    ),
    "a_value_that_the_provider_does_not_take": (
        validate,
        "modules/queues/main.tf",
        '"no-access"',
        '"none"',
        "permission must be one of no-access, read-only, consume",
    ),
    "a_number_beyond_the_providers_range": (
        validate,
        "modules/message-vpn/main.tf",
        "try(var.amqp.port, 0)",
        "65536",
        "service_amqp_plain_text_listen_port must be 0 to 65535, not 65536",
    ),
    "a_required_attribute_left_out": (
        validate,
        "modules/queues/main.tf",
        "  subscription_topic = each.value.topic\n",
        "",
        'The argument "subscription_topic" is required',
    ),
    "a_variable_that_nobody_declares": (
        validate,
        "main.tf",
        "var.max_unacked",
        "var.max_unacknowledged",
        "Reference to undeclared input variable",
    ),
    "an_argument_that_a_module_does_not_take": (
        validate,
        "main.tf",
        "owners      = module",
        "owner       = module",
        'An argument named "owner" is not expected here',
    ),
    "a_variable_that_nobody_uses": (
        unused,
        "main.tf",
        "  queue_quota_mb       = var.queue_quota_mb\n",
        "",
        "terraform: variable queue_quota_mb is declared and never used",
    ),
    "d20_a_user_who_overrides_permissions": (
        access,
        "modules/acls/main.tf",
        "guaranteed_endpoint_permission_override_enabled = false",
        "guaranteed_endpoint_permission_override_enabled = true",
        "A user may read and delete every queue",
    ),
    "d20_a_profile_that_allows_by_default": (
        access,
        "modules/acls/main.tf",
        'publish_topic_default_action        = "disallow"',
        'publish_topic_default_action        = "allow"',
        "An ACL profile allows by default",
    ),
    "d20_a_right_too_much": (
        names,
        "modules/names/access.tf",
        'publishes = ["late", "rejected"]',
        'publishes = ["late", "rejected", "receipt"]',
        "Somebody else than validation may publish sales",
    ),
    "d21_a_queue_that_nobody_can_read": (
        queues,
        "modules/queues/main.tf",
        "egress_enabled  = true",
        "egress_enabled  = false",
        "A queue is shut on one side",
    ),
    "d21_a_store_queue_without_an_end": (
        names,
        "modules/names/queues.tf",
        "ttl_seconds   = 86400",
        "ttl_seconds   = 0",
        "keeps windows for ever",
    ),
    "a_right_to_publish_before_the_queues_are_there": (
        applied,
        "modules/acls/main.tf",
        "  depends_on = [var.publish_after]\n",
        "",
        "somebody may publish before every queue has its subscriptions",
    ),
    "a_publisher_who_is_told_nothing_of_a_missing_queue": (
        access,
        "modules/profiles/main.tf",
        "reject_msg_to_sender_on_no_subscription_match_enabled = true",
        "reject_msg_to_sender_on_no_subscription_match_enabled = false",
        "would acknowledge a sale that no queue takes",
    ),
}


def checks(workspace):
    """One check for each of them, in a copy of a workspace that was initialised."""
    for name, mistake in MISTAKES.items():
        yield checked(name, workspace, *mistake)


def checked(name, workspace, finder, file, correct, wrong, said):
    """The check that a mistake is found."""

    def check():
        copy = workspace.copy(workspace.folder.with_name(name))
        path = copy.root / file
        text = path.read_text()
        assert correct in text, "%s no longer says `%s`: write the mistake anew" % (file, correct)
        path.write_text(text.replace(correct, wrong))
        found = " ".join(finder(copy).split()).replace("│ ", "")
        assert said in found, "nobody said `%s`, but:\n%s" % (said, found)

    check.__name__ = "%s_is_found" % name
    return check
