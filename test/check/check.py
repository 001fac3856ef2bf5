#!/usr/bin/env python3
"""The house's rules, checked on every source file: walls, floors, banned calls, form.

Each rule carries a bad sample that it must refuse and a good one that it must not;
both are tried before the files are looked at, so a rule that selects nothing fails.

usage: check.py [FILE...]   (default: every file git knows or would add)
"""
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Callable

# An include goes to a lower floor, or stays in its folder. Root files of gateway/ are named one by one.
FLOORS = [
    {"gateway/main", "examples/sandbox"},
    {"gateway/supervisor", "gateway/command"},
    {"gateway/command_business", "gateway/command_connection", "gateway/command_data", "gateway/command_doctor",
     "gateway/command_kit", "gateway/command_link", "gateway/command_refused", "gateway/command_rotate", "gateway/command_verify",
     "gateway/command_virtual_key"},
    {"gateway/command_audit"},
    {"gateway/command_line"},
    {"gateway/session"},
    {"gateway/listener"},
    {"gateway/metrics", "gateway/health"},
    {"gateway/inbound", "gateway/api", "gateway/front", "gateway/settings"},
    {"gateway/doctor", "gateway/resend", "gateway/rotation"},
    {"gateway/reply", "gateway/connect"},
    {"gateway/audit", "gateway/content", "gateway/kit", "gateway/outbound", "gateway/http", "gateway/once", "gateway/reseal", "gateway/rewrap", "gateway/removal",
     "gateway/virtual_key_issue"},
    {"gateway/tenant", "gateway/virtual_key"},
    {"gateway/role", "gateway/datadir", "gateway/harden", "gateway/finding", "gateway/delivery", "gateway/json", "gateway/keycache", "gateway/link", "gateway/refused_calls"},
    {"gateway/config", "gateway/console", "gateway/log", "gateway/rfc3339", "gateway/version", "store", "vault"},
    {"gateway/hash", "gateway/utf8"},
]
FILE_MAX = 256 * 1024
# What runs in the vault process, to be read in one sitting: lines that are neither blank nor comment.
VAULT_PROCESS = ("process", "audit", "blob", "keyfile", "frame", "secret", "verifier")
VAULT_MAX = 1600
SIDEWAYS = {("gateway/api", "gateway/connect")}
# The one public header of a folder; vault has a second for the messages that all roles speak.
PUBLIC = {"vault/vault.h", "vault/frame.h", "store/store.h"}
# The simulated providers stand outside: of the house they use these, so that they share none of its secrets or opinions.
SANDBOX_MAY = {"gateway/http/http.h", "gateway/json.h"}
LIBRARIES = {
    "sodium": ("vault/",),
    "sqlite3": ("store/",),
    "civetweb": ("gateway/http/",),
    "curl/": ("gateway/outbound/",),
    "seccomp": ("gateway/harden.c",),
    "qrencode": ("gateway/settings/", "gateway/command_kit.c"),
    "openssl/": ("gateway/http/", "gateway/outbound/"),
}
BANNED = ("strcpy strcat sprintf vsprintf strncpy strncat strtok atoi atol atoll atof sscanf gets system popen alloca "
          "rand srand random").split()
THIRD_PARTY = re.compile(r'#\s*include\s*[<"](sodium|sqlite3|civetweb|curl/|cjson/|openssl/|seccomp|qrencode)')
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]', re.M)
SQL = re.compile(r'"\s*(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+(TABLE|INDEX)|PRAGMA\s)', re.I)


def code(text: str) -> str:
    """Source without comments and without the inside of strings, line numbers kept."""
    def blank(m):
        s = m.group(0)
        return re.sub(r'[^\n"\']', " ", s)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def lines_of_code(text: str) -> int:
    return sum(1 for l in re.sub(r'/\*.*?\*/', "", text, flags=re.S).splitlines() if l.strip())


def vault_lines() -> int:
    return sum(lines_of_code(open(f"vault/{name}.c", encoding="utf-8").read()) for name in VAULT_PROCESS)


def is_c(path: str) -> bool:
    return path.endswith((".c", ".h"))


def own(path: str) -> bool:
    """Part of a program, not of its tests."""
    return is_c(path) and path.startswith(("gateway/", "vault/", "store/", "examples/"))


def sandbox(path: str) -> bool:
    return is_c(path) and path.startswith("examples/sandbox/")


def room(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join("gateway", os.path.splitext(name)[0]) if folder == "gateway" else folder


def floor(place: str) -> int:
    for n, names in enumerate(FLOORS):
        if place in names:
            return n
    return -1


def found(pattern: re.Pattern, text: str, say: str):
    for m in pattern.finditer(text):
        yield text.count("\n", 0, m.start()) + 1, say % m.groups() if "%" in say else say


def rule_libraries(path, text):
    for m in INCLUDE.finditer(text):
        for library, places in LIBRARIES.items():
            if m.group(1).startswith(library) and not path.startswith(places + ("test/", "examples/")):
                yield text.count("\n", 0, m.start()) + 1, f"{m.group(1)} may be included only in {', '.join(places)}"


def rule_walls(path, text):
    for m in INCLUDE.finditer(text):
        target = m.group(1)
        if not target.startswith(("gateway/", "vault/", "store/")):
            continue
        line = text.count("\n", 0, m.start()) + 1
        here, there = room(path), room(target)
        if here == there:
            continue
        public = target in PUBLIC or os.path.dirname(target) == "gateway" or \
            target == f"{there}/{os.path.basename(there)}.h"
        if not public:
            yield line, f"{target} is private to {there}"
        if floor(here) < 0 or floor(there) < 0:
            yield line, f"{here if floor(here) < 0 else there} has no floor; give it one in test/check/check.py"
        elif floor(there) <= floor(here) and (here, there) not in SIDEWAYS:
            yield line, f"{here} includes {there}, which is not below it"


def rule_sandbox(path, text):
    for m in INCLUDE.finditer(text):
        if m.group(1).startswith(("gateway/", "vault/", "store/")) and m.group(1) not in SANDBOX_MAY:
            yield text.count("\n", 0, m.start()) + 1, f"the sandbox may not include {m.group(1)}"


def rule_sql(path, text):
    if path.startswith(("store/", "migrations/", "test/")):
        return
    yield from found(SQL, text, "SQL outside store/")


def rule_banned(path, text):
    pattern = re.compile(r"(?<![\w>.])(" + "|".join(BANNED) + r")\s*\(")
    for m in pattern.finditer(code(text)):
        yield text.count("\n", 0, m.start()) + 1, f"{m.group(1)} is banned"


def rule_public_headers(path, text):
    if path in PUBLIC or (path.endswith(".h") and os.path.basename(path)[:-2] == os.path.basename(os.path.dirname(path))):
        yield from found(THIRD_PARTY, text, "a public header shows no library's types: %s")


def rule_opening(path, text):
    if not text.startswith("/*"):
        yield 1, "a file opens with its role in a comment"


def rule_leftovers(path, text):
    yield from found(re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), text, "left over for later: %s")


@dataclass
class Rule:
    name: str
    applies: Callable[[str], bool]
    run: Callable
    bad: tuple  # path, text: must be refused
    good: tuple  # path, text: must pass


RULES = [
    Rule("libraries", is_c, rule_libraries, ("gateway/log.c", "#include <sodium.h>\n"), ("vault/x.c", "#include <sodium.h>\n")),
    Rule("libraries", is_c, rule_libraries, ("gateway/api/x.c", '#include "civetweb.h"\n'), ("gateway/http/x.c", '#include "civetweb.h"\n')),
    Rule("walls", own, rule_walls, ("store/x.c", '#include "vault/vault.h"\n'), ("gateway/tenant.c", '#include "vault/vault.h"\n')),
    Rule("walls", own, rule_walls, ("gateway/tenant.c", '#include "vault/blob.h"\n'), ("vault/x.c", '#include "vault/blob.h"\n')),
    Rule("walls", own, rule_walls, ("vault/x.c", '#include "gateway/log.h"\n'), ("gateway/main.c", '#include "gateway/log.h"\n')),
    Rule("sandbox", sandbox, rule_sandbox, ("examples/sandbox/x.c", '#include "vault/vault.h"\n'),
         ("examples/sandbox/x.c", '#include "gateway/json.h"\n')),
    Rule("sql", is_c, rule_sql, ("gateway/x.c", 'run("SELECT 1");\n'), ("store/x.c", 'run("SELECT 1");\n')),
    Rule("banned", is_c, rule_banned, ("vault/x.c", "int f(void) { return sprintf (b, s); }\n"),
         ("vault/x.c", "/* sprintf(x) */ int f(void) { return snprintf(b, 1, \"sprintf(\"); }\n")),
    Rule("public headers", is_c, rule_public_headers, ("store/store.h", "#include <sqlite3.h>\n"), ("store/db.h", "#include <sqlite3.h>\n")),
    Rule("opening", own, rule_opening, ("vault/x.c", "#include <stdio.h>\n"), ("vault/x.c", "/*\n * X.\n */\n")),
    Rule("leftovers", lambda p: p.endswith((".c", ".h", ".py", ".sh", ".sql")), rule_leftovers,
         ("vault/x.c", "/* TO" "DO: later */\n"), ("vault/x.c", "/* todo list */\n")),
]


def self_test() -> list:
    faults = []
    for r in RULES:
        if not r.applies(r.bad[0]) or not list(r.run(*r.bad)):
            faults.append(f"rule '{r.name}' does not refuse its bad sample")
        if r.applies(r.good[0]) and list(r.run(*r.good)):
            faults.append(f"rule '{r.name}' refuses its good sample")
    if lines_of_code("/*\n * X.\n */\n\nint x; /* y */\n") != 1:
        faults.append("lines of code are not counted")
    if not format_faults("int main( void ){return 0;}\n", "sample.c"):
        faults.append("the formatting rule does not refuse its bad sample")
    return faults


def format_faults(text: str, name: str) -> bool:
    done = subprocess.run(["clang-format", f"--assume-filename={name}"], input=text, capture_output=True, text=True, check=True)
    return done.stdout != text


def files() -> list:
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout
    return [f for f in out.splitlines() if os.path.isfile(f)]


def main() -> int:
    faults = self_test()
    names = sys.argv[1:] or files()
    looked = 0
    for path in names:
        if os.path.getsize(path) > FILE_MAX:
            faults.append(f"{path}: larger than {FILE_MAX} bytes; what a run leaves behind is not kept")
        rules = [r for r in RULES if r.applies(path)]
        if not rules:
            continue
        looked += 1
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for run in dict.fromkeys(r.run for r in rules):
            faults += [f"{path}:{line}: {say}" for line, say in run(path, text)]
        if is_c(path) and format_faults(text, path):
            faults.append(f"{path}: not formatted; run make format")
    if "README.md" in names and sum(1 for _ in open("README.md", encoding="utf-8")) > 150:
        faults.append("README.md: longer than 150 lines")
    if not sys.argv[1:] and vault_lines() > VAULT_MAX:
        faults.append(f"the vault process has {vault_lines()} lines of code, more than {VAULT_MAX}: what can live outside it?")
    if not sys.argv[1:] and looked < 20:
        faults.append(f"only {looked} files were looked at: the selection is broken")
    for f in faults:
        print(f)
    print(f"check: {looked} files, {len(RULES) + 1} rules, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
