"""Every setting of tag and home unit in one place: name, default, range. Units are in the names.

What `settings` looks into when values are given; a device has it in memory only then.
"""

# One flat tuple, four to a setting, for it lives in a small heap: name, default, lowest, highest.
# fmt: off
TABLE: tuple = (
    # Tracker: requirements.md section 2, "Fix rate".
    "fix_interval_s", 60, 5, 3600,  # between fixes away from home
    "rest_interval_s", 3600, 60, 7200,  # between fixes when the wearer has been at rest for
    "rest_after_s", 600, 60, 7200,  # this long
    "fix_timeout_s", 45, 5, 600,  # to give up a fix for this time: a hot start takes 1 s, a warm one up to 25 s
    "first_fix_timeout_s", 150, 30, 900,  # after power-up: a cold start takes up to 30 s under an open sky
    "settle_epochs", 2, 1, 30,  # valid epochs to wait for, so that a fix is not the receiver's first guess
    "every_fix", 0, 0, 1,  # 1: keep the receiver on and record each valid epoch
    # Zones.
    "zone_interval_s", 15, 5, 600,  # between fixes in, near or in violation of a zone
    "zone_near_m", 200, 0, 2000,  # this far from its edge is near
    "zone_dwell_s", 60, 0, 600,  # on one side for this long confirms it, if the points have not
    # Uplink.
    "report_interval_s", 300, 1, 3600,  # records that nobody waits for are sent together
    "keepalive_s", 600, 30, 3600,  # MQTT keep-alive
    "batch_records", 32, 1, 64,
    "receipt_timeout_s", 30, 5, 600,  # without a receipt a message is sent again
    "idle_poll_s", 3600, 60, 14400,  # a tag without a lease asks for orders
    # Radio.
    "beacon_s", 10, 1, 60,  # a home unit's beacon counter moves on
    "scan_home_s", 10, 2, 60,  # a tag listens for beacons, at home
    "scan_calm_s", 30, 2, 60,  # the same while they are loud; at most a third of exit_s
    "scan_still_s", 60, 2, 300,  # and while the wearer has not moved for two minutes; at most two thirds of exit_s
    "scan_away_s", 20, 2, 120,  # and away
    "scan_window_ms", 600, 100, 5000,  # how long it listens: two advertisements of the home unit, and one to spare
    "status_s", 60, 10, 600,  # a tag at home makes itself heard
    # Mode machine: RSSI in dBm, so that a house is inside and the garden gate is the edge.
    "entry_dbm", -85, -110, -30,
    "exit_dbm", -93, -120, -30,
    "entry_beacons", 3, 1, 20,
    "entry_window_s", 90, 10, 600,
    "exit_s", 90, 20, 900,  # silence, or only weak beacons, for this long
    "doubt_s", 60, 10, 300,  # and then, for a fix to tell whether the wearer has left
    # Home unit.
    "absent_s", 300, 60, 3600,  # a tag not heard for this long is not at home
    "comms_lost_s", 300, 60, 3600,  # without the broker
    "unit_status_s", 900, 60, 900,  # requirements.md: at least every 15 min
    "ntp_s", 21600, 600, 86400,
    # Health.
    "battery_check_s", 300, 30, 3600,
    "battery_stop_mv", 3200, 3000, 3500,  # below it a tag sleeps until it is charged: what is in flash stays whole
    "warn_lead_s", 1800, 0, 14400,  # from the wearer's warning to the BATTERY event at 20 %; half at 10 %, a sixth at 5 %
    "motion_no_fix_s", 900, 300, 14400,  # moving most of this time, and no fix although the receiver works
    "clock_gone_s", 1800, 300, 86400,  # without UTC since the start, though a network or a home unit was there
    "heartbeat_s", 3600, 60, 7200,  # a tag's STATUS record when nothing else is recorded
    "watchdog_s", 180, 30, 600,
)
# fmt: on

# (a setting, times so many, is at most another): else the mode machine or the presence flaps.
AT_MOST = (("exit_dbm", 1, "entry_dbm"), ("scan_home_s", 2, "exit_s"), ("status_s", 2, "absent_s"))
