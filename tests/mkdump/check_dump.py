#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check a dump made by mkdump against its truth, with an independent reader.

usage: check_dump.py DUMP TRUTH
"""
import json
import struct
import sys

from winmem import PAGE, Dump, Memory

# Offsets in _EPROCESS: UniqueProcessId, links, ImageFileName, CommitCharge.
EPROCESS = {
    7601: (0x180, 0x188, 0x2E0, 0x1B8), 9600: (0x2E0, 0x2E8, 0x438, 0x4D0),
    14393: (0x2E8, 0x2F0, 0x450, 0x4F0), 17763: (0x2E0, 0x2E8, 0x450, 0x4F0),
    18362: (0x2E8, 0x2F0, 0x450, 0x4F0), 19041: (0x440, 0x448, 0x5A8, 0x648),
    20348: (0x440, 0x448, 0x5A8, 0x648), 22000: (0x440, 0x448, 0x5A8, 0x648),
}
# Tag entry: size, then (offset of allocs, frees, bytes) nonpaged and paged.
OLD = (0x28, "<I", ((0x4, 0x8, 0x10), (0x18, 0x1C, 0x20)))
NEW = ((0x10, 0x18, 0x8), (0x28, 0x30, 0x20))
TAGS = {7601: OLD, 9600: OLD, 14393: OLD}
for _build in (17763, 18362, 19041):
    TAGS[_build] = (0x38, "<Q", NEW)
for _build in (20348, 22000, 22621, 22631, 26100):
    TAGS[_build] = (0x50, "<Q", NEW)


def equal(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got!r}, truth says {want!r}")


def check_header(dump, mem, truth):
    equal("pages", dump.pages(), truth["dump"]["pages_stored"])
    equal("announced pages", dump.announced, dump.pages())
    equal("pages fit", dump.runs[-1][2] + dump.runs[-1][1] * PAGE,
          len(dump.data))
    equal("unset fields", dump.data[0x60:0x68], b"PAGEPAGE")
    system = truth["system"]
    equal("root", dump.dtb, int(system["directory_table_base"], 16))
    equal("bug check", dump.u32(0x38), int(system["bugcheck"]["code"], 16))
    shared = 0xFFFFF78000000000
    equal("major version", mem.u32(shared + 0x26C),
          10 if dump.build >= 10240 else 6)
    base = int(system["kernel_base"], 16)
    equal("kernel", mem.read(base, 2), b"MZ")
    return base


def rsds(mem, base):
    nt = base + mem.u32(base + 0x3C)
    equal("PE", mem.read(nt, 4), b"PE\0\0")
    debug, size = mem.u32(nt + 0x18 + 0xA0), mem.u32(nt + 0x18 + 0xA4)
    for at in range(base + debug, base + debug + size, 28):
        if mem.u32(at + 0xC) == 2:
            rec = base + mem.u32(at + 0x14)
            equal("RSDS", mem.read(rec, 4), b"RSDS")
            d = struct.unpack("<IHH", mem.read(rec + 4, 8))
            guid = "%08X%04X%04X" % d + mem.read(rec + 12, 8).hex().upper()
            name = mem.read(rec + 24, 64).split(b"\0")[0].decode()
            return {"name": name, "guid": guid, "age": mem.u32(rec + 20)}
    return None


def decoded(mem, opts):
    """Address of a plain copy of an encoded block, made in memory."""
    secret = {k: int(v, 16) for k, v in opts["kdbg"].items()}
    never, plain = secret["wait_never"], b""
    for i in range(0, 0x380, 8):
        t = mem.u64(secret["address"] + i) ^ never
        n = never & 63
        t = (t << n | t >> (64 - n)) & (1 << 64) - 1
        t ^= secret["encoded_address"]
        t = int.from_bytes(t.to_bytes(8, "little"), "big")
        plain += struct.pack("<Q", t ^ secret["wait_always"])
    mem.overlay = (1 << 44, plain)
    return 1 << 44


def check_kdbg(dump, mem, base, opts):
    va = dump.u64(0x80) or decoded(mem, opts)
    equal("KDBG tag", mem.read(va + 0x10, 4), b"KDBG")
    equal("KDBG kernel base", mem.u64(va + 0x18), base)
    equal("KDBG modules", mem.u64(va + 0x48), dump.u64(0x20))
    equal("KDBG processes", mem.u64(va + 0x50), dump.u64(0x28))
    equal("KDBG PFN database", mem.u64(va + 0xC0), dump.u64(0x18))
    old = mem.u64(va + 0x1A8)           # MmAvailablePages
    equal("KDBG counters", bool(old), dump.build < 10240)
    size = mem.u32(va + 0x14)
    if size > 0x360:
        pte_base = mem.u64(va + 0x360)
        shift = 48 if mem.levels == 5 else 39
        own = mem.entry(dump.dtb, pte_base >> shift & 0x1FF)
        equal("self map", own & 0xFFFFFFFFFF000, dump.dtb)
    return va


def walk(mem, head):
    at, seen = mem.u64(head), set()
    while at != head:
        assert at not in seen, "cyclic list"
        seen.add(at)
        yield at
        at = mem.u64(at)


def check_modules(dump, mem, truth):
    want = {m["name"]: m for m in truth["modules"]}
    names = []
    for e in walk(mem, dump.u64(0x20)):
        name = mem.unicode(e + 0x58)
        m, base = want[name], mem.u64(e + 0x30)
        names.append(name)
        equal(name + " base", hex(base), m["base"])
        equal(name + " size", mem.u32(e + 0x40), m["size_bytes"])
        equal(name + " path", mem.unicode(e + 0x48), m["path"])
        equal(name + " pdb", rsds(mem, base), m["pdb"])
        if dump.build >= 14393:
            equal(name + " stamp", hex(mem.u32(e + 0x9C)), m["timestamp"])
    equal("first module", names[0], "ntoskrnl.exe")
    equal("modules", sorted(names), sorted(want))


def check_processes(dump, mem, truth):
    if dump.build not in EPROCESS:
        return
    pid_at, links, name_at, commit_at = EPROCESS[dump.build]
    got = {}
    for e in walk(mem, dump.u64(0x28)):
        e -= links
        name = mem.read(e + name_at, 15).split(b"\0")[0].decode()
        got[mem.u64(e + pid_at)] = (name, mem.u64(e + commit_at))
    want = {p["pid"]: (p["name"][:15], p["commit_pages"])
            for p in truth["vm"]["processes"]}
    equal("processes", got, want)


def tag_hash(tag):
    h = 40543 * tag
    return (h & 0xFFFFFFFF) ^ (h >> 32)


def table_size(mem, table, entry):
    """The keys of the largest 2^n + 1 entries that agree with the hash. (A
    part of a table agrees as well; what lies behind a table does not.)"""
    best = None
    for n in range(4, 19):
        keys = []
        try:
            for i in range((1 << n) + 1):
                keys.append(mem.u32(table + i * entry))
        except LookupError:
            break
        mask = (1 << n) - 1
        if all(reachable(keys, i, mask)
               for i in range(1 << n) if keys[i]):
            best = keys
    if best is None:
        sys.exit("no table size fits the hashes")
    return best


def reachable(keys, i, mask):
    at = tag_hash(keys[i]) & mask
    while at != i:
        if not keys[at]:
            return False
        at = (at + 1) & mask
    return True


def find_tables(mem, base, size, table, n_cpus):
    """The array of per-processor tables, by its first pointer."""
    want = struct.pack("<Q", table)
    for page in range(base, base + size, PAGE):
        data = mem.read(page, PAGE)
        at = data.find(want)
        while at >= 0:
            va = page + at
            tables = [mem.u64(va + i * 8) for i in range(n_cpus)]
            if at % 8 == 0 and len(set(tables)) == n_cpus and \
                    all(t >> 47 == 0x1FFFF and t % PAGE == 0 for t in tables):
                return tables
            at = data.find(want, at + 1)
    sys.exit("no array of tag tables")


def check_tags(mem, dump, truth, kdbg, base, opts):
    entry, fmt, fields = TAGS[dump.build]
    table = mem.u64(mem.u64(kdbg + 0x1B8))
    keys = table_size(mem, table, entry)
    size = next(m["size_bytes"] for m in truth["modules"]
                if m["name"] == "ntoskrnl.exe")
    n_cpus = truth["system"]["processors"]
    tables = find_tables(mem, base, size, table, n_cpus)
    raw = [mem.read(t, len(keys) * entry) for t in tables]
    modulus = 1 << (32 if fmt == "<I" else 64)
    got = {}
    negative = 0
    for i, key in enumerate(keys):
        if not key:
            continue
        row = []
        for allocs, frees, bytes_at in fields:
            sums = [0, 0, 0]
            for r in raw:
                for k, (off, f) in enumerate(((allocs, fmt), (frees, fmt),
                                              (bytes_at, "<q"))):
                    v = struct.unpack_from(f, r, i * entry + off)[0]
                    sums[k] += v
                    negative += v < 0
            total = (sums[2] + (1 << 63)) % (1 << 64) - (1 << 63)
            row += [sums[0] % modulus, sums[1] % modulus, total]
        tag = f"0x{key & 0x7FFFFFFF:x}"     # protected and plain are one
        if tag in got:
            row = [a + b for a, b in zip(row, got[tag])]
        got[tag] = row
    want = {}
    for t in truth["poolused"]["tags"]:
        row = []
        for kind in ("nonpaged", "paged"):
            row += [t[kind][k] for k in ("allocs", "frees", "bytes")]
        want[t["tag_hex"]] = row
    for tag, row in got.items():
        equal(f"tag {tag}", row, want[tag])
    hashed = len(want) - sum(t not in got for t in want)
    equal("tags in the table", hashed >= len(want) - opts.get(
        "expansion_tags", 0), True)
    if n_cpus > 1 and len(got) > 10:
        equal("some processor is below zero", negative > 0, True)
    return len(got)


def main():
    dump = Dump(sys.argv[1])
    with open(sys.argv[2]) as f:
        truth = json.load(f)
    opts = truth.get("builder", {})
    mem = Memory(dump, int(opts.get("pte_mask", "0x0"), 16),
                 opts.get("levels", 4))
    base = check_header(dump, mem, truth)
    kdbg = check_kdbg(dump, mem, base, opts)
    check_modules(dump, mem, truth)
    check_processes(dump, mem, truth)
    n = check_tags(mem, dump, truth, kdbg, base, opts)
    print(f"{dump.build} type {dump.type}: {dump.pages()} pages, "
          f"{len(truth['modules'])} modules, {n} tags")


if __name__ == "__main__":
    main()
