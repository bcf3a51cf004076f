"""What a take says of a requirement: functions of a take that give samples by the keys of its figures.

Delays in s from what was done to the record's own time, or to its being at the bridge. What should be there and is not is no
sample: the scenario's expectations count it as missed. A function that finds no occasion gives no sample, and that holds nothing.
"""

from collections.abc import Callable
from itertools import pairwise

from sqlalchemy import func, or_, select

from bridge.console.shapes import GAP_MS
from bridge.store import schema
from bridge.store.settings import get_settings
from firmware.core import ident, message, record
from firmware.core.ring import RECORDS
from sim.engine.summary import FINDINGS
from sim.suite.take import Finding, Take

Samples = dict[str, list[float]]
Measure = Callable[[Take], Samples]

SECTOR = 4096  # of flash: what is erased at once
NEVER_S = 86_400.0  # what came into the store and was seen by nobody on its way: as good as never
_NEAR_M = 150.0  # further from home than this nobody is at home: BLE carries less
_LOST_M = 250.0  # a fix further off than this is of another place (indoor fixes of the model are 20-80 m off)
_SETTLE_MS = 5 * 60_000  # leaving and coming home take so long to tell (firmware: exit, doubt, entry)
_OPEN_AFTER_MS = 60_000


def first_fix(take: Take) -> Samples:
    """From switching on, under an open sky and with nothing known, to the first fix."""
    out: list[float] = []
    for p in take.people:
        if fixes := take.fixes(p.id):
            out.append(fixes[0].t_ms / 1000)
    return {"seconds": out}


def position_error(take: Take) -> Samples:
    """How far fixes under an open sky are from the truth, and how far from what the receiver said."""
    errors: list[float] = []
    added: list[float] = []
    for p in take.people:
        receiver = take.world.receiver(ident.parse_device_name(p.tag))
        for fix in take.fixes(p.id):
            truth = take.truth(p.id, fix.t_ms)
            if truth.indoors or truth.canyon > 0 or truth.sky_for_ms < _OPEN_AFTER_MS:
                continue
            errors.append(take.miss_m(p.id, fix))
            east, north = receiver.error_m(take.scenario.start_utc_ms + fix.t_ms, truth.indoors, truth.canyon)
            plane = take.world.town.plane
            said = truth.lat + north * plane.lat_per_m, truth.lon + east * plane.lon_per_m
            added.append(take.apart_m(said, (fix.lat, fix.lon)))
    return {"error": errors, "added": added}


def locate_now(take: Take) -> Samples:
    """From a request to its answer at the bridge: a fix, or the word that none can be had."""
    out: list[float] = []
    table = schema.orders
    for device in dict.fromkeys(order.device for order in take.scenario.orders):
        device_id = ident.parse_device_name(device)
        asked = [order.at_ms for order in take.scenario.orders if (order.device, order.kind) == (device, "locate")]
        wanted = select(table).where(table.c.device_id == device_id, table.c.kind == message.ORDER_LOCATE).order_by(table.c.id)
        rows = [row for row in take.rows(wanted) if row.by_whom == "scenario"]
        for i, at_ms in enumerate(sorted(asked)):
            done_ms = take.arrived_ms(device_id, rows[i].done_seq) if i < len(rows) else None
            out.append(NEVER_S if done_ms is None else (done_ms - at_ms) / 1000)
    return {"seconds": out}


def zone_event(take: Take) -> Samples:
    """From crossing a zone's edge to the finding on a console; and whether what the tag says of zones is so."""
    out: dict[str, list[float]] = {"entered": [], "left": [], "claims": []}
    for p in take.people:
        for zone in p.conditions:
            centre, radius_m = _circle(take, zone)
            inside = [t for t in range(0, take.ended_ms, 1000) if _truth_to(take, p.id, centre, t) < radius_m]
            if not inside:
                continue
            crossings = {"entered": inside[0], "left": inside[-1]}
            for what, crossed_ms in crossings.items():
                found = [f for f in take.findings(p.id, f"zone_{what}") if f.t_ms >= crossed_ms - 2000]
                out[what].append(_shown_s(take, found[0], crossed_ms) if found else NEVER_S)
            for said in take.events(p.tag, record.ZONE):
                if said.a & 0xFFFF == 0:
                    continue
                apart_m = _truth_to(take, p.id, centre, said.t_ms) - radius_m
                # Within the circle of error of its own evidence it may be either; beyond that it must be what it says.
                slack_m = max(said.b, 0) / 10
                says_inside = said.a >> 16 == record.ZONE_INSIDE
                out["claims"].append(float(apart_m <= slack_m if says_inside else apart_m >= -slack_m))
    return out


def strap_cut(take: Take) -> Samples:
    """From a cut to the record's time on the tag, and to the finding on a console."""
    on_tag: list[float] = []
    shown: list[float] = []
    for p in take.people:
        for cut_ms in take.done_ms(p.id, "strap_cut"):
            found = [f for f in take.findings(p.id, "strap_cut") if f.t_ms >= cut_ms - 2000]
            if found:
                on_tag.append(abs(found[0].t_ms - cut_ms) / 1000)
                shown.append(_shown_s(take, found[0], cut_ms))
    return {"on_tag": on_tag, "shown": shown}


def fix_rate(take: Take) -> Samples:
    """Seconds between fixes while the wearer moves, is in or near a zone; fixes while the home unit is heard."""
    moving: list[float] = []
    zone_s: list[float] = []
    at_home: list[float] = []
    for p in take.people:
        fixes = take.fixes(p.id)
        zones = [_circle(take, c) for c in p.conditions]
        for a, b in pairwise(fixes):
            truths = [take.truth(p.id, t) for t in range(a.t_ms, b.t_ms + 1, 5000)]
            if any(t.indoors for t in truths):
                continue
            apart = [min((take.apart_m(c, (t.lat, t.lon)) - r for c, r in zones), default=1e9) for t in truths]
            if zones and max(apart) < 0:
                zone_s.append((b.t_ms - a.t_ms) / 1000)
            elif not zones and all(t.moving for t in truths):
                moving.append((b.t_ms - a.t_ms) / 1000)
        if p.home_unit is not None:
            homes = [e.t_ms for e in take.events(p.tag, record.MODE) if e.a == record.MODE_RF]
            if homes:
                at_home.append(float(sum(fix.t_ms > homes[0] + 1000 for fix in fixes)))
    return {"moving": moving, "zone": zone_s, "home": at_home}


def fix_rate_at_rest(take: Take) -> Samples:
    """Seconds between fixes once the wearer has been still for a quarter of an hour."""
    out: list[float] = []
    for p in take.people:
        for a, b in pairwise(take.fixes(p.id)):
            still_ms = 15 * 60_000
            if a.t_ms >= still_ms and not any(take.truth(p.id, t).moving for t in range(a.t_ms - still_ms, b.t_ms, 10_000)):
                out.append((b.t_ms - a.t_ms) / 1000)
    return {"rest": out}


def store_without_coverage(take: Take) -> Samples:
    """Records lost of a time without coverage in which the tag lost its supply as well, and for how many days the flash lasts."""
    lost = 0.0
    late = 0.0
    for p in take.people:
        lost += _missing(take, p.tag)
        for from_ms, until_ms in take.trouble_ms(p.id, "coverage_lost"):
            kept = [fix for fix in take.fixes(p.id) if from_ms <= fix.t_ms < until_ms]
            late += len(kept)
    return {"lost": [lost], "kept": [late], "days": [journal_days(take.journal_bytes)]}


def journal_days(flash_bytes: int) -> float:
    """How long a journal of so many bytes lasts at a fix a minute: all sectors but the one that is being written."""
    return (flash_bytes // SECTOR - 1) * ((SECTOR - RECORDS) // record.SIZE) / (24 * 60)


def battery_warnings(take: Take) -> Samples:
    """Minutes from warning the wearer to telling an officer; and the stages at which officers are told."""
    lead: list[float] = []
    stages: list[float] = []
    for p in take.people:
        warned = take.findings(p.id, "wearer_warned")
        told = [f for f in take.findings(p.id, "battery_low") if f.detail.get("device") == "tag"]
        for low in told:
            # It is told some time after the stage was reached: the wearer has half an hour to charge first.
            stages.append(float(any(stage - 2 <= low.detail["percent"] <= stage for stage in (20, 10, 5))))
        if told:
            before = [f.t_ms for f in warned if f.t_ms <= told[0].t_ms]
            lead.append((told[0].t_ms - before[0]) / 60_000 if before else -1.0)
    return {"lead": lead, "stages": stages}


def home_unit(take: Take) -> Samples:
    """From what is done to a home unit to the finding on a console; and minutes between two signs of life."""
    out: Samples = {"mains": [], "moved": [], "case": [], "status": []}
    kinds = {"mains_off": ("mains", "mains_lost"), "unit_moved": ("moved", "moved"), "unit_opened": ("case", "case_opened")}
    for p in take.people:
        for what, (key, kind) in kinds.items():
            for done_ms in take.done_ms(p.id, what):
                found = [f for f in take.findings(p.id, kind) if done_ms - 2000 <= f.t_ms < done_ms + 300_000]
                out[key].append(_shown_s(take, found[0], done_ms) if found else NEVER_S)
        if p.home_unit is not None:
            heard = sorted({at for e in take.events(p.home_unit) if (at := take.arrived_ms(p.home_unit, e.seq)) is not None})
            out["status"] += [(b - a) / 60_000 for a, b in pairwise([*heard, max(take.ended_ms, heard[-1])])] if heard else []
    return out


def range_test(take: Take) -> Samples:
    """Whether each room that a range test was asked for has its answer."""
    out: list[float] = []
    for order in take.scenario.orders:
        if order.kind == "range_test":
            p = next(p for p in take.people if p.home_unit == order.device)
            answers = [f for f in take.findings(p.id, "range_test") if order.at_ms <= f.t_ms <= order.at_ms + 10 * 60_000]
            out.append(float(any(f.detail.get("frames", 0) > 0 for f in answers)))
    return {"rooms": out}


_CURFEW = ("late_home", "left_home", "out_all_night")


def curfew(take: Take) -> Samples:
    """Whether late, early and out all night are told apart, and how far from the end of the grace lateness is dated."""
    kinds: list[float] = []
    grace: list[float] = []
    for p in take.people:
        wanted = {e.kind for e in take.scenario.expect if e.wearer_id == p.id and not e.never} & set(_CURFEW)
        found = take.findings(p.id, *_CURFEW)
        kinds.append(float({f.kind for f in found} == wanted))
        for late in (f for f in found if f.kind == "late_home"):
            due_ms = late.detail["due_ms"] - take.scenario.start_utc_ms
            grace.append(abs(late.t_ms - due_ms) / 1000)
            grace.append(abs(late.detail["due_ms"] - late.detail["start_ms"] - 300_000) / 1000)
    return {"kinds": kinds, "grace": grace}


def presence(take: Take) -> Samples:
    """Statements of HOME and NOT_HOME that are not so; and whether what nobody can know is shown as unknown."""
    wrong: list[float] = []
    unknown: list[float] = []
    for p in take.people:
        home = take.scenario.home_of(p)
        for said in take.findings(p.id, "presence"):
            around = [_truth_to(take, p.id, home, max(0, said.t_ms - back)) for back in range(0, _SETTLE_MS, 15_000)]
            if said.detail["presence"] == "home":
                wrong.append(float(min(around) > _NEAR_M))
            elif said.detail["presence"] == "not_home":
                wrong.append(float(max(around) <= 20))
        off = [t for t in take.done_ms(p.id, "unit_off") if t < take.ended_ms - 40 * 60_000]
        if off:
            unknown.append(float(take.live(p.id).get("presence") == record.PRESENCE_UNKNOWN))
    return {"wrong": wrong, "unknown": unknown}


def missing_data(take: Take) -> Samples:
    """Fixes claimed for a time in which there were none, and silences over five minutes that the console's line would span."""
    claimed: list[float] = []
    spanned: list[float] = []
    silences: list[float] = []
    for p in take.people:
        fixes = take.fixes(p.id)
        for from_ms, until_ms in take.trouble_ms(p.id, "shield"):
            claimed.append(float(sum(from_ms + 2000 <= fix.t_ms < until_ms for fix in fixes)))
            gaps = [(a.t_ms, b.t_ms) for a, b in pairwise(fixes) if b.t_ms - a.t_ms > GAP_MS]
            silences.append(float(any(a <= from_ms + 120_000 and b >= until_ms - 2000 for a, b in gaps)))
        longest_ms = max((b.t_ms - a.t_ms for a, b in pairwise(fixes) if b.t_ms - a.t_ms <= GAP_MS), default=0)
        spanned.append(longest_ms / 60_000)
    return {"claimed": claimed, "spanned": spanned, "silences": silences}


def accuracy(take: Take) -> Samples:
    """Whether fixes carry a radius, and whether the truth lies within it."""
    out: Samples = {"carried": [], "open": [], "streets": []}
    for p in take.people:
        for fix in take.fixes(p.id):
            truth = take.truth(p.id, fix.t_ms)
            out["carried"].append(float(fix.radius_m is not None))
            if not truth.indoors:
                key = "streets" if truth.canyon > 0 else "open"
                out[key].append(float(fix.radius_m is not None and take.miss_m(p.id, fix) <= fix.radius_m))
    return out


def tamper_latches(take: Take) -> Samples:
    """Whether a strap and a case that were closed again are shown as opened still."""
    shown: list[float] = []
    for p in take.people:
        closed = take.findings(p.id, "strap_closed", "case_closed")
        shown += [float(bool(f.detail.get("latched"))) for f in closed]
        if take.done_ms(p.id, "strap_cut"):
            shown.append(float(take.live(p.id).get("strap") == "cut"))
    return {"latched": shown}


def alert_overload(take: Take) -> Samples:
    """What asks something of an officer, a wearer-day, on days on which nothing happened."""
    days = take.ended_ms / 86_400_000
    return {"alerts": [len(take.findings(p.id, *FINDINGS)) / days for p in take.people]}


def flapping_signal(take: Take) -> Samples:
    """How many findings of one kind a signal makes that comes and goes."""
    out: list[float] = []
    for p in take.people:
        found = take.findings(p.id, *FINDINGS)
        out.append(float(max((sum(f.kind == kind for f in found) for kind in {f.kind for f in found}), default=0)))
    return {"episodes": out}


def gnss_drift(take: Take) -> Samples:
    """Zones entered or left by drift alone; and how far the fixes did drift, so that there was something to withstand."""
    drift = [take.miss_m(p.id, fix) for p in take.people for fix in take.fixes(p.id)]
    told = [len(take.findings(p.id, "zone_entered", "zone_left")) for p in take.people]
    return {"told": [float(n) for n in told], "drift": [max(drift)] if drift else []}


def indoor_loss(take: Take) -> Samples:
    """Absences told of wearers who were at home throughout."""
    absences = [take.findings(p.id, "late_home", "left_home", "out_all_night") for p in take.people]
    said = [[f for f in take.findings(p.id, "presence") if f.detail["presence"] == "not_home"] for p in take.people]
    return {"absences": [float(len(a) + len(b)) for a, b in zip(absences, said, strict=True)]}


def late_records(take: Take) -> Samples:
    """Whether what comes late is dated where it belongs and marked as late."""
    dated: list[float] = []
    marked: list[float] = []
    for p in take.people:
        for cut_ms in take.done_ms(p.id, "strap_cut"):
            found = [f for f in take.findings(p.id, "strap_cut") if abs(f.t_ms - cut_ms) <= 3000]
            dated.append(float(bool(found)))
            marked.append(float(bool(found) and found[0].late))
    return {"dated": dated, "marked": marked}


def duplicates(take: Take) -> Samples:
    """Records that are in the store twice, in conflict, or not at all, after broker and bridge were killed."""
    table = schema.record
    many = select(func.count()).select_from(table).group_by(table.c.device_id, table.c.seq).having(func.count() > 1)
    twice = len(take.rows(many)) + take.rows(select(func.count()).select_from(schema.record_conflict))[0][0]
    devices = sorted({name for p in take.people for name in (p.tag, p.home_unit) if name})
    return {"twice": [float(twice)], "missing": [float(sum(_missing(take, name) for name in devices))]}


def sentinels(take: Take) -> Samples:
    """Fixes that are where or when nobody was."""
    wrong = 0
    for p in take.people:
        for fix in take.fixes(p.id):
            wrong += not 0 <= fix.t_ms <= take.ended_ms + 3_600_000 or take.miss_m(p.id, fix) > _LOST_M
    return {"stored": [float(wrong)]}


_DISTURBED = ("shielded", "jammed", "spoofed", "receiver_dead", "modem_dead", "unit_silent")


def ordinary_loss(take: Take) -> Samples:
    """Findings of jamming, shielding or dead parts, a wearer-day, where nothing was done; and how often the signal was lost."""
    days = take.ended_ms / 86_400_000
    lost = sum(len(take.events(p.tag, record.GNSS_LOST)) for p in take.people)
    return {"told": [len(take.findings(p.id, *_DISTURBED)) / days for p in take.people], "lost": [float(lost)]}


_TOLD_OF = {"jam": "jammed", "shield": "shielded", "spoof": "spoofed"}


def interference(take: Take) -> Samples:
    """From the beginning of jamming, shielding and spoofing to the finding's own time, and whether it is the right one."""
    out: Samples = {"jam": [], "shield": [], "spoof": [], "right": []}
    for p in take.people:
        for kind, told in _TOLD_OF.items():
            for from_ms, until_ms in take.trouble_ms(p.id, kind):
                found = take.findings(p.id, *_TOLD_OF.values())
                first = [f for f in found if f.kind == told and from_ms <= f.t_ms < until_ms]
                out["right"].append(float({f.kind for f in found} == {told}))
                out[kind].append((first[0].t_ms - from_ms) / 1000 if first else NEVER_S)
    return out


def local_times(take: Take) -> Samples:
    """Findings and records without both of their times; and whether the store says which local time is to be shown."""
    found, rec = schema.event, schema.record
    both = select(func.count()).select_from(found).where(or_(found.c.at_ms.is_(None), found.c.received_ms.is_(None)))
    undated = select(func.count()).select_from(rec).where(or_(rec.c.at_ms.is_(None), rec.c.received_ms.is_(None)))
    with take.engine.connect() as connection:
        zone = get_settings(connection).get("timezone")
    without = take.rows(both)[0][0] + take.rows(undated)[0][0]
    return {"without": [float(without)], "zone": [float(zone == take.scenario.timezone)]}


# Shared


def _shown_s(take: Take, found: Finding, since_ms: int) -> float:
    shown_ms = take.shown_ms(found)
    return NEVER_S if shown_ms is None else (shown_ms - since_ms) / 1000


def _circle(take: Take, zone: object) -> tuple[tuple[float, float], float]:
    """Centre and radius of a zone, which in the suite's scenarios is a circle."""
    lat, lon, radius_m = take.scenario.circle(getattr(zone, "circle", None), getattr(zone, "around", None))
    return (lat, lon), radius_m


def _truth_to(take: Take, who: str, place: tuple[float, float], t_ms: int) -> float:
    truth = take.truth(who, t_ms)
    return take.apart_m(place, (truth.lat, truth.lon))


def _missing(take: Take, device: str) -> int:
    """Numbers of a device up to its highest that are not in the store."""
    table = schema.record
    statement = select(table.c.seq).where(table.c.device_id == ident.parse_device_name(device))
    seqs = {row.seq for row in take.rows(statement)}
    return len(set(range(1, max(seqs, default=0) + 1)) - seqs)
