"""What the bridge tells its devices to do or to be: leases, configurations, commands.

`asking` puts an order into the store and reads its answer, `service` sends it and follows it to its end (`going`: one order on
its way). `wanted` and `scheme` say which lease and config follow from the wear periods and conditions, `bench` gives them to a
device at once. `payloads` and `zonemap` are the bytes. Imports the store, keys, ingest and `firmware.core`.
"""

from .asking import note_provisioned
from .payloads import config_payload, lease_payload

__all__ = ("config_payload", "lease_payload", "note_provisioned")
