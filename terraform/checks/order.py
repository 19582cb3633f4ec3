"""In which order the broker is changed: what must be there before what."""


def check(applied):
    """What came too early, as sentences; takes what the stand-ins were told to make."""
    kinds = [one["type"].removeprefix("solacebroker_msg_vpn_") for one in applied]
    last = max(at for at, kind in enumerate(kinds) if kind in ("queue", "queue_subscription"))
    first = kinds.index("acl_profile_publish_topic_exception")
    if first < last:
        yield "somebody may publish before every queue has its subscriptions"
