"""Goal of this test: the search that other tests rely on finds what it claims to find: each form of a value, whole or a
piece of it, in a process and in a file, and nothing where nothing is."""
import os
import subprocess
import sys

import pytest

from remains import PIECE, PIECE_OF_SHORT, SHORT, Wanted, forms, search, search_files

HOLD = "import sys; held = sys.stdin.buffer.read(); print(len(held), flush=True); __import__('time').sleep(60)"
LONG, BRIEF = "EAAG" + "k%e/y+" * 8, "4915123456789"


def planted():
    """One value for each form, so that it is known which was found: (values, what is written down of each)."""
    values, written = {}, []
    for kind, base in (("long", LONG), ("brief", BRIEF)):
        for form in forms(base):
            value = (os.urandom(24).hex() + base[-8:]) if kind == "long" else str(int.from_bytes(os.urandom(5), "big") + 10**12)
            needle, grows = forms(value)[form]
            least = min(len(needle), int((PIECE if kind == "long" else PIECE_OF_SHORT) * grows))
            begin = (len(needle) - least) // 2
            values[f"{kind} {form}"] = value
            written.append((f"{kind} {form}", form, needle, needle[begin:begin + least]))
    return values, written


def found_as(hits, label):
    """In what forms a value was found."""
    return {h.split(" as ", 1)[1].split(" at ")[0].split(" in planted")[0] for h in hits if h.startswith(label + " as ")}


@pytest.mark.parametrize("piece", [False, True], ids=["whole", "pieces"])
@pytest.mark.parametrize("shift", range(8))
def test_each_form_is_found(tmp_path, piece, shift):
    values, written = planted()
    apart = os.urandom(64)
    data = apart[:shift] + b"".join((part if piece else needle) + b"\0" * (-len(part if piece else needle) % 8) + apart
                                    for _, _, needle, part in written)
    path = tmp_path / "planted"
    path.write_bytes(data)
    hits = search_files([path], values)
    for label, form, needle, part in written:
        same = {name for name, (other, _) in forms(values[label]).items() if other == needle} | {form}
        assert found_as(hits, label) & same or piece and any(part in n for n, _ in forms(values[label]).values()) and \
            found_as(hits, label), (label, [h for h in hits if h.startswith(label)])


def test_half_a_piece_is_nothing(tmp_path):
    values, written = planted()
    path = tmp_path / "planted"
    path.write_bytes(b"".join(part[:len(part) * 2 // 3] + os.urandom(16) for _, _, _, part in written))
    assert search_files([path], values) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="another's memory is root's to read")
def test_another_process_is_searched():
    values, written = planted()
    others = {"another " + label: os.urandom(24).hex() for label in values}
    held = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        held.stdin.write(b"".join(needle + os.urandom(13) for _, _, needle, _ in written))
        held.stdin.close()
        assert int(held.stdout.readline()) > 0
        hits = search(held.pid, {**values, **others})
    finally:
        held.kill()
        held.wait()
        held.stdout.close()
    assert {label for label in values if found_as(hits, label)} == set(values)
    assert not [h for h in hits if h.startswith("another")]


def test_a_thousand_values_cost_no_more_than_one():
    """What makes it possible to look for all that was ever planted after each step."""
    data = os.urandom(1 << 20)
    assert Wanted({f"value {n}": os.urandom(20).hex() for n in range(200)}).find(data) == []
    value = os.urandom(20).hex()
    at = 123457
    held = data[:at] + value.encode() + data[at:]
    assert [(a, n) for label, a, n in Wanted({"it": value}).find(held) if label == "it as raw"] == [(at, 40)]
