"""A release into a folder, fed with anything: it becomes whole with the right bytes or not at all."""

import json
import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.releases import Manifest
from bridge.releases.bundle import describe
from firmware.core import message, release

PATHS = [f"firmware/core/m{i}.mpy" for i in range(4)] + ["firmware/__init__.mpy", "firmware/tag/main.mpy"]
files = st.dictionaries(st.sampled_from(PATHS), st.binary(min_size=1, max_size=700), min_size=1)


def manifest_of(contents: dict[str, bytes]) -> bytes:
    fields = ("1.0", "0" * 12, 3, "tag", "tag_x", "", "6.0")
    return Manifest(*fields, describe(contents), describe({"main.py": b"x"})).to_bytes()


def image_of(contents: dict[str, bytes]) -> bytes:
    return manifest_of(contents) + b"".join(contents[path] for path in sorted(contents))


def put(folder: Path, contents: dict[str, bytes], *, whole: bool = True) -> None:
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    if whole:
        (folder / "manifest.json").write_bytes(manifest_of(contents))


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def taking(top: Path, contents: dict[str, bytes]) -> release.Taking:
    text = manifest_of(contents)
    return release.Taking(f"{top}/b", f"{top}/a", len(text), sha256(text).digest())


def survey(new: release.Taking) -> None:
    for _ in new.survey():
        pass


def fetch(new: release.Taking, image: bytes, step: int = message.UPDATE_DATA_MAX) -> int:
    """Until it is over; how many bytes were asked for."""
    asked = 0
    while new.state == release.COMING:
        had = new.has_manifest
        survey(new)
        while new.state == release.COMING and new.has_manifest == had:
            asked += min(step, new.run_length())
            assert new.take(new.at, image[new.at : new.at + step])
    return asked


@settings(max_examples=60, deadline=None)
@given(before=files, running=files, wanted=files, data=st.data())
def test_it_is_whole_with_the_right_bytes_or_not_at_all(before, running, wanted, data: st.DataObject):
    """Whatever is in the folder already, whatever comes and in whichever order, and however often it begins anew."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        put(top / "a", running)
        put(top / "b", before)
        image = image_of(wanted)
        new = taking(top, wanted)
        survey(new)
        for _ in range(data.draw(st.integers(0, 25))):
            if new.state != release.COMING:
                break
            kind = data.draw(st.sampled_from(("right", "right", "right", "anything", "early", "again", "restart", "survey")))
            size = data.draw(st.integers(1, message.UPDATE_DATA_MAX))
            if kind == "right":
                new.take(new.at, memoryview(image)[new.at : new.at + size])
            elif kind == "anything":
                new.take(data.draw(st.integers(0, len(image))), data.draw(st.binary(max_size=40)))
            elif kind == "early":
                assert not new.take(new.at + size, image[new.at + size :][:size])
            elif kind == "again":
                new.take(max(new.at - size, 0), image[max(new.at - size, 0) : new.at])
            elif kind == "restart":
                new.close()
                new = taking(top, wanted)
                survey(new)
            else:
                new.close()
                survey(new)
            assert not (top / "b/manifest.json").exists()
            assert content(top / "a") == running | {"manifest.json": manifest_of(running)}
        new.close()
        if new.state != release.WHOLE:
            new = taking(top, wanted)
            fetch(new, image)
        assert new.state == release.WHOLE
        new.finish()
        assert content(top / "b") == wanted | {"manifest.json": manifest_of(wanted)}
        assert content(top / "a") == running | {"manifest.json": manifest_of(running)}


def test_only_what_neither_folder_has_is_fetched(tmp_path: Path):
    running = {PATHS[0]: b"same", PATHS[1]: b"other" * 99}
    before = {PATHS[2]: b"left from before" * 50, PATHS[3]: b"gone"}
    wanted = {PATHS[0]: b"same", PATHS[1]: b"new" * 200, PATHS[2]: before[PATHS[2]]}
    put(tmp_path / "a", running)
    put(tmp_path / "b", before)
    new = taking(tmp_path, wanted)
    assert fetch(new, image_of(wanted)) == len(manifest_of(wanted)) + 600
    new.finish()
    assert content(tmp_path / "b") == wanted | {"manifest.json": manifest_of(wanted)}
    # The same once more: nothing at all.
    again = taking(tmp_path, wanted)
    assert fetch(again, b"") == 0 and again.state == release.WHOLE


def test_what_comes_wrong_three_times_is_given_up(tmp_path: Path):
    wanted = {PATHS[0]: b"right" * 100}
    put(tmp_path / "a", {PATHS[1]: b"old"})
    image = bytearray(image_of(wanted))
    image[-1] ^= 1
    new = taking(tmp_path, wanted)
    assert fetch(new, bytes(image)) == len(manifest_of(wanted)) + 3 * 500
    assert new.state == release.BAD and not (tmp_path / "b" / PATHS[0]).exists()
    # … and a manifest that is not the announced one.
    image[3] ^= 1
    new = release.Taking(f"{tmp_path}/b", f"{tmp_path}/a", len(manifest_of(wanted)), bytes(32))
    fetch(new, bytes(image))
    assert new.state == release.BAD and not new.has_manifest
    assert content(tmp_path / "a") == {PATHS[1]: b"old", "manifest.json": manifest_of({PATHS[1]: b"old"})}


def test_a_manifest_that_leads_out_of_the_folder_is_refused(tmp_path: Path):
    """The bridge verifies what it sends; the device looks all the same."""
    for path, size in (
        ("firmware/../../x.mpy", 1),
        ("../x", 1),
        ("boot.py", 1),
        ("firmware/a.mpy", 0),
        ("firmware/a.mpy", 1 << 20),
    ):
        text = b'{\n"number": 1,\n"root": {\n},\n"files": {\n%s\n}\n}\n' % json.dumps({path: [size, "0" * 64]})[1:-1].encode()
        new = release.Taking(f"{tmp_path}/b", "", len(text), sha256(text).digest())
        fetch(new, text)
        assert new.state == release.BAD, path
        shutil.rmtree(tmp_path / "b")


def test_without_room_nothing_is_begun(tmp_path: Path, monkeypatch):
    wanted = {PATHS[0]: b"x" * 5000}
    put(tmp_path / "b", {PATHS[1]: b"y"})
    real = os.statvfs

    def full(path: str):
        return (4096, 4096, *real(path)[2:4], 3, *real(path)[5:])

    monkeypatch.setattr(os, "statvfs", full)
    new = taking(tmp_path, wanted)
    assert fetch(new, image_of(wanted)) == len(manifest_of(wanted))
    assert new.state == release.NO_ROOM and not (tmp_path / "b" / PATHS[0]).exists()


def test_the_head_of_a_manifest_is_read_without_the_rest(tmp_path: Path):
    put(tmp_path, {PATHS[0]: b"x"})
    assert release.head(str(tmp_path), "number", 0) == 3 and release.head(str(tmp_path), "board", "") == "tag_x"
    assert release.head(str(tmp_path), "files", "none") == "none"
    assert release.head(str(tmp_path / "nothing"), "number", 17) == 17
