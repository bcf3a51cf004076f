"""What a dock's login may do: carry for every device, and nothing that is not sealed."""

from collections.abc import Callable

from bridge.broker.users import dock_user
from tests.brokers import USERS, Broker, Party

UP, DOWN, STATE = (f"hw/0/tag-000001/{leaf}" for leaf in ("up", "down", "state"))
DOCK = dock_user("dock-1", "password of dock-1")


def test_a_dock_carries_both_ways_and_speaks_for_no_bridge_and_of_no_state(make_broker: Callable[..., Broker]) -> None:
    broker = make_broker(*USERS, DOCK)
    with (
        Party(broker.port, "bridge") as bridge,
        Party(broker.port, "tag-000001") as tag,
        Party(broker.port, "dock-1") as dock,
    ):
        assert bridge.subscribe("hw/+/+/up", "hw/+/+/state")
        assert dock.subscribe(DOWN)
        dock.subscribe("hw/+/+/up")
        dock.subscribe("hw/+/+/state")
        assert tag.subscribe(DOWN)
        dock.client.publish(DOWN, b"as the bridge", 1)
        dock.client.publish(STATE, b"as the tag", 1)
        tag.publish(UP, b"by the tag")
        dock.publish(UP, b"by the cable")
        bridge.publish(DOWN, b"receipt")
        bridge.wait(lambda: len(bridge.payloads()) == 2, "what came by the tag's own connection and by the cable")
        dock.wait(lambda: dock.payloads() == [b"receipt"], "the receipt, for the cable")
        tag.wait(lambda: tag.payloads() == [b"receipt"], "the same")
        assert sorted(bridge.payloads()) == [b"by the cable", b"by the tag"]
