"""A device with a release on its file system, as `homeward flash` leaves it: what it starts with is in its folder, not in the
run's image, and an update over the air replaces it."""

from pathlib import Path

from bridge.releases import Bundle

FILES = "fs"  # in the device's folder


def flash(folder: Path, bundle: Bundle, into: str = "a") -> None:
    """Put a release into a device's folder: `main.py` and `switch.mpy`, and the rest in `a` or `b`."""
    root = folder / FILES
    manifest = bundle.manifest
    for path, data in bundle.contents.items():
        target = root / path if path in manifest.root else root / into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (root / into / "manifest.json").write_bytes(manifest.to_bytes())


def running(folder: Path) -> str:
    """The folder that is good, by the device's settings store: "a" or "b"; with "?" behind it while the other is on trial."""
    from firmware import switch

    path = folder / f"homeward.{switch.KEY}.nvs"
    value = int.from_bytes(path.read_bytes(), "little") if path.exists() else 0
    return switch.NAMES[value & 1] + ("?" if switch.on_trial(value) else "")
