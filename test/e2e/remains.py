"""Looking for what is left of a value, in a process's memory or in files: whole or in pieces, in every form in which it
may lie there.

Pieces are found by words of eight bytes. Every word of every form is in one set; the memory is read as words, once as it
is aligned and once between, and each is looked up. Whatever is eleven bytes long or longer has one such word in it, and
what lies around it tells how long the piece is. So it costs the same for ten values as for a thousand.
"""
import base64
import re
import struct
import urllib.parse

CHUNK = 4 << 20
PAGE = b"\0" * 4096
WORD = 8
SHIFTS = (0, 4)
SURE = WORD + 3  # a piece of this length holds a word that begins at one of the shifts
OVERLAP = 8192
CONTEXT = 32
NEEDLE_MIN = 8
PIECE, PIECE_OF_SHORT, SHORT = 16, 12, 24  # bytes of a value that are taken for it; SHORT: a value below this is short
PLACES_SHOWN = 3
UNREADABLE = ("[vvar]", "[vsyscall]", "[vvar_vclock]")


def swapped(data: bytes) -> bytes:
    """As SHA-256 holds what it hashes: words of four bytes, turned round."""
    return b"".join(data[at:at + 4][::-1] for at in range(0, len(data) - 3, 4))


def each(data: bytes, pattern: str) -> bytes:
    return "".join(pattern.format(b) for b in data).encode()


def forms(value) -> dict:
    """Everything a search should find of a value that was left somewhere: {what form: (bytes, how many bytes of it make
    one of the value's)}."""
    raw = value if isinstance(value, bytes) else value.encode()
    out = {"raw": (raw, 1), "hex": (raw.hex().encode(), 2), "HEX": (raw.hex().upper().encode(), 2),
           "url": (urllib.parse.quote(raw, safe="").encode(), 1), "%xx": (each(raw, "%{:02x}"), 3),
           "%XX": (each(raw, "%{:02X}"), 3), "\\u": (each(raw, "\\u{:04x}"), 6), "\\U": (each(raw, "\\u{:04X}"), 6),
           "utf-16": (b"".join(bytes((b, 0)) for b in raw), 2)}
    for shift in range(3):
        # What of the base64 does not depend on the neighbours.
        text = base64.b64encode(b"\0" * shift + raw)
        text = text[4 if shift else 0:len(text) - 4]
        out[f"base64+{shift}"] = (text, 4 / 3)
        out[f"base64url+{shift}"] = (text.translate(bytes.maketrans(b"+/", b"-_")), 4 / 3)
    if len(raw) <= 64:
        # What HMAC makes of a key; the length of the key is enough of the block to know it by.
        out["ipad"] = (bytes(b ^ 0x36 for b in raw), 1)
        out["opad"] = (bytes(b ^ 0x5c for b in raw), 1)
    for name in ("raw", "ipad", "opad"):
        if name in out:
            out[name + " in words"] = (swapped(out[name][0]), 1)
    return {name: (needle, grows) for name, (needle, grows) in out.items() if len(needle) >= NEEDLE_MIN}


def needles(values) -> list:
    """[(label, bytes)] of {label: value}, each run of bytes once."""
    found = {}
    for label, value in values.items():
        for form, (needle, _) in forms(value).items():
            found.setdefault(needle, f"{label} as {form}")
    return [(label, needle) for needle, label in found.items()]


class Wanted:
    """{label: value}, ready to be looked for. A label's value is text or bytes."""

    def __init__(self, values):
        self.needles, self.least, self.whole, known = [], [], [], {}
        for label, value in values.items():
            size = len(value if isinstance(value, bytes) else value.encode())
            piece = min(size, PIECE if size >= SHORT else PIECE_OF_SHORT)
            for form, (needle, grows) in forms(value).items():
                least = min(len(needle), int(piece * grows))
                if needle in known:
                    continue
                known[needle] = True
                if least < SURE:
                    self.whole.append((f"{label} as {form}", needle))
                else:
                    self.needles.append((f"{label} as {form}", needle))
                    self.least.append(least)
        self.words = {}
        for n, (_, needle) in enumerate(self.needles):
            for at in range(len(needle) - WORD + 1):
                self.words.setdefault(int.from_bytes(needle[at:at + WORD], "little"), []).append((n, at))
        self.set = set(self.words)

    def seen_in(self, data: bytes) -> set:
        """Words of the needles that data holds."""
        seen = set()
        for shift in SHIFTS:
            words = (len(data) - shift) // WORD
            if words > 0:
                seen |= self.set.intersection(memoryview(data)[shift:shift + words * WORD].cast("Q"))
        return seen

    def find(self, data: bytes) -> list:
        """[(label, offset, length)] of whole values and of pieces."""
        found = {}
        # Most of an address space was never touched, and zeros hold nothing. Their length is a multiple of a word's.
        for word in self.seen_in(data.replace(PAGE, b"")):
            text = word.to_bytes(WORD, "little")
            at = data.find(text)
            while at >= 0:
                for n, begin in self.words[word]:
                    first, last = self._run(data, at, n, begin)
                    if last - first >= self.least[n]:
                        found[n, first] = (self.needles[n][0], first, last - first)
                at = data.find(text, at + 1)
        for label, needle in self.whole:
            if (at := data.find(needle)) >= 0:
                found[label, at] = (label, at, len(needle))
        return list(found.values())

    def _run(self, data, at, n, begin):
        """How far data and needle n agree, around the word at `at` that begins at `begin` of the needle."""
        needle = self.needles[n][1]
        first, last = at, at + WORD
        while first > 0 and begin - (at - first) > 0 and data[first - 1] == needle[begin - (at - first) - 1]:
            first -= 1
        while last < len(data) and begin + (last - at) < len(needle) and data[last] == needle[begin + (last - at)]:
            last += 1
        return first, last


def hits_in(data: bytes, wanted: Wanted, where) -> list:
    """In words; where(offset) says where an offset is."""
    places = {}
    for label, at, size in wanted.find(data):
        places.setdefault(label, []).append((at, size))
    out = []
    for label, found in places.items():
        for at, size in sorted(found)[:PLACES_SHOWN]:
            context = data[max(0, at - CONTEXT):at + size + CONTEXT]
            out.append(f"{label} {where(at)}, {size} bytes, {len(found)} times: {context!r}")
    return out


def present(pagemap, start: int, end: int):
    """Spans of pages between two addresses that were ever touched: they are in memory or in the swap."""
    first = None
    pagemap.seek(start // len(PAGE) * 8)
    for n, (entry,) in enumerate(struct.iter_unpack("<Q", pagemap.read((end - start) // len(PAGE) * 8))):
        at = start + n * len(PAGE)
        if entry >> 62 and first is None:
            first = at
        elif not entry >> 62 and first is not None:
            yield first, at
            first = None
    if first is not None:
        yield first, end


def memory(pid: int):
    """Every readable piece of a process that holds something, as (address, region, bytes). Guarded pages (sodium keeps
    secrets between them) are read only where they are mapped readable."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem, \
            open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for line in maps:
            span, rights, region = re.match(r"(\S+) (\S+) \S+ \S+ \S+\s*(.*)", line).groups()
            if "r" not in rights or region in UNREADABLE:
                continue
            for start, end in present(pagemap, *(int(x, 16) for x in span.split("-"))):
                for at in range(start, end, CHUNK):
                    try:
                        mem.seek(at)
                        yield at, region or "anonymous", mem.read(min(CHUNK, end - at))
                    except OSError:
                        continue


def search(pid: int, values) -> list:
    """Where in a process's memory any of {label: value} lies, in any form, in words. values: a dict, or Wanted of one."""
    wanted = values if isinstance(values, Wanted) else Wanted(values)
    hits, tail, ended, size = [], b"", 0, 0
    for at, region, data in memory(pid):
        size += len(data)
        tail = tail if at == ended else b""
        hits += hits_in(tail + data, wanted, lambda o, at=at, region=region, t=len(tail): f"at {at + o - t:#x} in {region}")
        tail, ended = data[-OVERLAP:], at + len(data)
    assert size > 1 << 16, "the memory was not read"
    return hits


def search_files(paths, values) -> list:
    wanted = values if isinstance(values, Wanted) else Wanted(values)
    return [hit for path in paths for hit in hits_in(path.read_bytes(), wanted, lambda o, p=path: f"in {p.name} at {o}")]
