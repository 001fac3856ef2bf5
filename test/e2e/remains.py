"""Looking for what is left of a value, in a process's memory or in files, in every form in which it may lie there."""
import base64
import re
import urllib.parse

CHUNK = 4 << 20
PAGE = b"\0" * 4096
OVERLAP = 4096
CONTEXT = 32
NEEDLE_MIN = 8
UNREADABLE = ("[vvar]", "[vsyscall]", "[vvar_vclock]")


def forms(value) -> dict:
    """Everything a search should find of a value that was left somewhere: {what form: bytes}."""
    raw = value if isinstance(value, bytes) else value.encode()
    out = {"raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(),
           "url": urllib.parse.quote(raw, safe="").encode()}
    if not isinstance(value, bytes):
        out["utf-16"] = value.encode("utf-16-le")
    for shift in range(3):
        # What of the base64 does not depend on the neighbours.
        text = base64.b64encode(b"\0" * shift + raw)
        out[f"base64+{shift}"] = text[4 if shift else 0:len(text) - 4]
        out[f"base64url+{shift}"] = out[f"base64+{shift}"].translate(bytes.maketrans(b"+/", b"-_"))
    if len(raw) <= 64:
        # What HMAC makes of a key; the length of the key is enough of the block to know it by.
        out["ipad"] = bytes(b ^ 0x36 for b in raw)
        out["opad"] = bytes(b ^ 0x5c for b in raw)
    return {name: needle for name, needle in out.items() if len(needle) >= NEEDLE_MIN}


def needles(values) -> list:
    """[(label, bytes)] of {label: value}, each run of bytes once."""
    found = {}
    for label, value in values.items():
        for form, needle in forms(value).items():
            found.setdefault(needle, f"{label} as {form}")
    return [(label, needle) for needle, label in found.items()]


def memory(pid: int):
    """Every readable piece of a process, as (address, region, bytes). Guarded pages (sodium keeps secrets between them)
    are read only where they are mapped readable."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights, region = re.match(r"(\S+) (\S+) \S+ \S+ \S+\s*(.*)", line).groups()
            if "r" not in rights or region in UNREADABLE:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            for at in range(start, end, CHUNK):
                try:
                    mem.seek(at)
                    yield at, region or "anonymous", mem.read(min(CHUNK, end - at))
                except OSError:
                    continue


def hits_in(data: bytes, wanted: list, where) -> list:
    """where(offset) says in words where an offset is."""
    out = []
    for label, needle in wanted:
        at = data.find(needle)
        if at >= 0:
            context = data[max(0, at - CONTEXT):at + len(needle) + CONTEXT]
            out.append(f"{label} {where(at)}, {data.count(needle)} times: {context!r}")
    return out


def search(pid: int, values: dict) -> list:
    """Where in a process's memory any of {label: value} lies, in any form."""
    hits, tail, size, wanted = [], b"", 0, needles(values)
    for at, region, data in memory(pid):
        size += len(data)
        # Most of the address space was never touched. Only the pages that were are looked through, and what the
        # shortened data shows is looked up in the whole.
        if hits_in((tail + data).replace(PAGE, b""), wanted, str):
            hits += hits_in(tail + data, wanted, lambda o, at=at, region=region, t=len(tail): f"at {at + o - t:#x} in {region}")
        tail = data[-OVERLAP:]
    assert size > 1 << 20, "the memory was not read"
    return hits


def search_files(paths, values: dict) -> list:
    wanted = needles(values)
    return [hit for path in paths for hit in hits_in(path.read_bytes(), wanted, lambda o, p=path: f"in {p.name} at {o}")]
