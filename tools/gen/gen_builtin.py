#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make lib/sym/data/kernels.bin from tables of real kernels.

    gen_builtin.py TABLES [--out FILE] [--report FILE]

TABLES is a folder with these tab-separated files (`#` begins a heading, all
offsets, sizes and addresses are hexadecimal):

    builds.tsv    version, product, PDB name, GUID, age, layout
    symbols.tsv   name, then its RVA in each row of builds.tsv ("-": absent)
    layouts.tsv   layout, type, definition
    types.tsv     type, definition, struct|union, size; then per member
                  .name, offset, first bit, bits, type
    more-layouts.tsv, late-layouts.tsv
                  version, architecture, type, definition
    more-types.tsv, late-types.tsv
                  as types.tsv, members of named unions written `u.Member`
    images.tsv    architecture, version, file, TimeDateStamp, SizeOfImage, class

Only what tools/gen/wanted.txt names goes in. The output depends on the input
alone. The form of the output is described in lib/sym/builtin_data.h, and the
two must change together.
"""
import argparse
import fnmatch
import re
import struct
import sys
import zlib
from pathlib import Path

MAGIC = b"PSCKERN1"
HERE = Path(__file__).resolve().parent
ARCH = {"x64": 0, "x86": 1, "arm64": 2, "amd64": 0}
# Member classes: enum psc_type_class of lib/sym/sym.h.
INT, POINTER, STRUCT, OTHER = range(4)
# Base types of all sources: (bytes, signed).
BASE = {
    "char": (1, True), "CHAR": (1, True), "unsigned char": (1, False),
    "UCHAR": (1, False), "short": (2, True), "SHORT": (2, True),
    "unsigned short": (2, False), "USHORT": (2, False), "wchar": (2, False),
    "WCHAR": (2, False), "long": (4, True), "LONG": (4, True),
    "unsigned long": (4, False), "ULONG": (4, False),
    "unsigned int": (4, False), "long long": (8, True),
    "LONGLONG": (8, True), "unsigned long long": (8, False),
    "ULONGLONG": (8, False),
}
UNNAMED = re.compile(r"^(__unnamed|__anonymous|<unnamed|<anonymous)")
# The published copies of these stop before the end in the newest builds.
CUT_SHORT = {"_KPRCB", "_KPCR", "_DRIVER_EXTENSION"}
BLOCK_BYTES = 48 * 1024     # Uncompressed size at which a block of types ends.


def rows(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#") and line.strip():
                yield line.rstrip("\n").split("\t")


class Wanted:
    """wanted.txt: which names, which types, which members of big types."""

    def __init__(self, path):
        self.symbols, self.types, self.fields = [], [], {}
        for n, line in enumerate(open(path, encoding="utf-8"), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "symbol":
                self.symbols += words[1:]
            elif words[0] == "type":
                self.types += words[1:]
            elif words[0] == "fields" and words[1].endswith(":"):
                self.fields[words[1][:-1]] = words[2:]
            else:
                sys.exit(f"{path}:{n}: not understood: {line.strip()}")
        self.symbol_re = self._regex(self.symbols)
        self.type_re = self._regex(self.types)
        self.field_re = {t: self._regex(p) for t, p in self.fields.items()}

    @staticmethod
    def _regex(patterns):
        return re.compile("|".join(fnmatch.translate(p) for p in patterns))

    def check(self, symbols, types):
        """A pattern that matches nothing is a mistake."""
        for kind, patterns, names in (("symbol", self.symbols, symbols),
                                      ("type", self.types, types)):
            for p in patterns:
                if not fnmatch.filter(names, p):
                    sys.exit(f"wanted.txt: no {kind} {p} in the tables")

    def symbol(self, name):
        return self.symbol_re.match(name)

    def type(self, name):
        return name in self.fields or self.type_re.match(name)

    def member(self, type_name, member):
        wanted = self.field_re.get(type_name)
        return not wanted or wanted.match(member.split(".")[0])


class Member:
    """One member as the tables give it."""

    def __init__(self, name, cells):
        self.name = name
        self.offset = int(cells[1], 16)
        self.bits = int(cells[3]) if cells[3] else 0
        self.bit = int(cells[2]) if cells[2] else 0
        self.count = 1
        text = cells[4]
        while m := re.match(r"arr(\d+):", text):
            self.count *= int(m[1])
            text = text[m.end():]
        self.type = text

    def absolute_bit(self):
        return self.offset * 8 + self.bit


def read_types(path):
    """{(type, definition): (size, [Member])}"""
    defs, members = {}, None
    for cells in rows(path):
        if cells[0].startswith("."):
            members.append(Member(cells[0][1:], cells))
        else:
            members = []
            defs[cells[0], cells[1]] = (int(cells[3], 16), members)
    return defs


class Layout:
    """The definitions of one kernel."""

    def __init__(self, arch, source):
        self.arch = arch
        self.pointer = 4 if arch == "x86" else 8
        self.source = source
        self.types = {}         # name -> (size, [Member])

    def flat(self, name):
        """Members of @name with unnamed structs and unions dissolved into
        dotted names, as the other sources write them."""
        out = []
        pending = [("", 0, m) for m in self.types[name][1]]
        while pending:
            prefix, base, m = pending.pop(0)
            inner = m.type[2:] if m.type[:2] in ("s:", "u:") else None
            full = prefix + m.name
            if inner and UNNAMED.match(inner) and m.count == 1 \
                    and inner in self.types:
                pending = [(full + ".", base + m.offset, x)
                           for x in self.types[inner][1]] + pending
            else:
                out.append((full, base + m.offset, m))
        # Nobody published what is inside these; members of theirs that are
        # known stand beside them under dotted names.
        return [f for f in out if f[2].type[2:] != "<unnamed>"]


def shape_of(layout, m, room, type_index):
    """What a member is, without name and offset: a row of the shape table.
    @room: bytes up to the next member, which bounds an enum."""
    text = m.type
    if m.bits:
        first = m.absolute_bit() % 8
        signed = BASE.get(text, (0, False))[1]
        return (INT, signed, (first + m.bits + 7) // 8, m.count, first,
                m.bits, 0)
    if text.startswith("ptr:") or text.endswith("*"):
        return (POINTER, False, layout.pointer, m.count, 0, 0, 0)
    if text[:2] in ("s:", "u:"):
        name = text[2:]
        size = layout.types[name][0] if name in layout.types else 0
        return (STRUCT, False, size, m.count, 0, 0, type_index.get(name, 0))
    if text.startswith("e:"):
        return (INT, False, min(4, room) if room else 4, m.count, 0, 0, 0)
    if text in BASE:
        size, signed = BASE[text]
        return (INT, signed, size, m.count, 0, 0, 0)
    return (OTHER, False, 8 if text == "double" else 0, m.count, 0, 0, 0)


def varint(n):
    out = bytearray()
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return n << 1 if n >= 0 else (-n << 1) - 1


class Builder:
    def __init__(self, tables, wanted):
        self.tables, self.wanted = Path(tables), wanted
        self.report = []
        self.kernels = []       # dicts, in the order of the output
        self.layouts = []       # Layout, in the order of the output
        self.read_builds()
        self.read_typed_kernels()
        self.repair_bits()
        self.extend_cut_types()

    # --- input ------------------------------------------------------------
    def read_builds(self):
        defs = read_types(self.tables / "types.tsv")
        by_name = {}
        for layout, type_name, definition in rows(self.tables / "layouts.tsv"):
            lay = by_name.setdefault(layout, Layout("x64", "symbols"))
            lay.types[type_name] = defs[type_name, definition]
        index = {}
        for cells in rows(self.tables / "builds.tsv"):
            version, _, pdb, guid, age, layout = cells[:6]
            if layout not in index:
                index[layout] = len(self.layouts)
                self.layouts.append(by_name[layout])
            self.kernels.append({
                "version": version, "arch": "x64", "pdb": pdb, "guid": guid,
                "age": int(age), "layout": index[layout], "symbols": True})
        self.n_builds = len(self.kernels)
        self.symbols = {}
        for cells in rows(self.tables / "symbols.tsv"):
            if self.wanted.symbol(cells[0]):
                self.symbols[cells[0]] = [
                    None if c == "-" else int(c, 16) for c in cells[1:]]

    def read_typed_kernels(self):
        known = {(k["version"], k["arch"]) for k in self.kernels}
        for kind in ("more", "late"):
            defs = read_types(self.tables / f"{kind}-types.tsv")
            found = {}
            for version, arch, name, definition in rows(
                    self.tables / f"{kind}-layouts.tsv"):
                lay = found.setdefault((version, arch.lower()),
                                       Layout(arch.lower(), kind))
                # Copied: repairs are per kernel.
                lay.types[name] = defs[name, definition]
            for key in sorted(found, key=lambda k: (k[1], version_key(k[0]))):
                if key in known:
                    continue
                self.kernels.append({
                    "version": key[0], "arch": key[1], "pdb": "", "guid": "",
                    "age": 0, "layout": len(self.layouts), "symbols": False})
                self.layouts.append(found[key])

    def nearest(self, kernel, name):
        """Layout of the nearest build with symbols that has the type."""
        def distance(k):
            a, b = version_key(k["version"]), version_key(kernel["version"])
            return abs(a[2] - b[2]), abs(a[3] - b[3])
        for k in sorted(self.kernels[:self.n_builds], key=distance):
            if name in self.layouts[k["layout"]].types:
                return k, self.layouts[k["layout"]]
        return None, None

    # --- known defects of the published layouts ---------------------------
    def repair_bits(self):
        """Bit fields behind a member that the source folded into a union read
        too low: their first bits restart at 0. Take them from the nearest
        build with symbols, when nothing but the first bit differs."""
        for k in self.kernels[self.n_builds:]:
            lay = self.layouts[k["layout"]]
            if lay.arch != "x64" or lay.source != "more":
                continue
            for name in sorted(lay.types):
                if self.wanted.type(name):
                    other = self.nearest(k, name)[1]
                    if other:
                        self.repair_type(k, lay, other, name)

    def repair_type(self, kernel, lay, other, name):
        size, members = lay.types[name]
        if other.types[name][0] != size:
            return
        truth = {full: base * 8 + m.bit
                 for full, base, m in other.flat(name) if m.bits}
        length = {full: m.bits for full, base, m in other.flat(name)}
        fixed = []
        for m in members:
            want = truth.get(m.name)
            if m.bits and want is not None and length[m.name] == m.bits \
                    and want > m.absolute_bit() \
                    and self.overlaps(members, m):
                new = Member(m.name, [None, f"{want // 8:x}", str(want % 8),
                                      str(m.bits), m.type])
                self.report.append(
                    f"{kernel['version']} {kernel['arch']}: {name}.{m.name}: "
                    f"first bit {m.absolute_bit()} -> {want}")
                m = new
            fixed.append(m)
        lay.types[name] = (size, fixed)

    @staticmethod
    def overlaps(members, m):
        """@m shares a bit with a bit field declared before it."""
        a = m.absolute_bit()
        for x in members:
            if x is m:
                return False
            if x.bits and x.absolute_bit() < a + m.bits \
                    and a < x.absolute_bit() + x.bits:
                return True
        return False

    def extend_cut_types(self):
        for k in self.kernels[self.n_builds:]:
            lay = self.layouts[k["layout"]]
            for name in sorted(CUT_SHORT):
                other, near = self.nearest(k, name)
                if other["version"].split(".")[2] == \
                        k["version"].split(".")[2] and lay.arch == "x64" and name in lay.types \
                        and near.types[name][0] >= 2 * lay.types[name][0]:
                    self.report.append(
                        f"{k['version']} {k['arch']}: {name}: cut short at "
                        f"{lay.types[name][0]:#x}, taken from the nearest "
                        f"build ({near.types[name][0]:#x})")
                    lay.types[name] = near.types[name]
                    for _, _, m in near.flat(name):
                        inner = m.type[2:]
                        if m.type[:2] in ("s:", "u:") \
                                and inner not in lay.types \
                                and inner in near.types:
                            lay.types[inner] = near.types[inner]

    # --- output -----------------------------------------------------------
    def encode_types(self):
        names = sorted({t for lay in self.layouts for t in lay.types
                        if self.wanted.type(t) and not UNNAMED.match(t)})
        self.type_names = names
        type_index = {t: i + 1 for i, t in enumerate(names)}
        members, shapes, parsed = {}, {}, {}
        for lay in self.layouts:
            for name in names:
                if name in lay.types:
                    parsed[id(lay), name] = self.parse(lay, name, type_index)
        for size, fields in parsed.values():
            for full, _, shape in fields:
                members[full] = 0
                shapes[shape] = 0
        self.member_names = sorted(members)
        members = {m: i for i, m in enumerate(self.member_names)}
        self.shapes = sorted(shapes)
        shapes = {s: i for i, s in enumerate(self.shapes)}
        self.type_blobs, self.matrix = [], []
        columns = []
        for name in names:
            seen, blob, column = {}, bytearray(), []
            for lay in self.layouts:
                if (id(lay), name) not in parsed:
                    column.append(0)
                    continue
                code = encode_definition(*parsed[id(lay), name], members,
                                         shapes)
                if code not in seen:
                    seen[code] = len(seen) + 1
                    blob += varint(len(code)) + code
                column.append(seen[code])
            if len(seen) > 255:
                sys.exit(f"{name}: more than 255 definitions")
            self.type_blobs.append(bytes(blob))
            columns.append(column)
        self.matrix = [bytes(c[i] for c in columns)
                       for i in range(len(self.layouts))]

    def parse(self, lay, name, type_index):
        flat = lay.flat(name)
        offsets = sorted({base for _, base, _ in flat}) + [lay.types[name][0]]
        fields = []
        for full, base, m in flat:
            if not self.wanted.member(name, full):
                continue
            room = next((o for o in offsets if o > base), base) - base
            shape = shape_of(lay, m, room, type_index)
            first = base + m.bit // 8 if m.bits else base
            fields.append((full, first, shape))
        return lay.types[name][0], fields

    def encode_symbols(self):
        """One block per build number: its names in address order, then per
        kernel each RVA against the prediction "moved as far as the name
        before it"."""
        names = sorted(self.symbols)
        families = {}
        for i, k in enumerate(self.kernels[:self.n_builds]):
            families.setdefault(k["version"].split(".")[2], []).append(i)
        blocks = []
        for number, columns in enumerate(families.values()):
            first = {}
            for n, name in enumerate(names):
                for c in columns:
                    if self.symbols[name][c] is not None:
                        first[n] = self.symbols[name][c]
                        break
            order = sorted(first, key=lambda n: (first[n], n))
            out = bytearray(varint(len(columns)) + varint(len(order)))
            last = 0
            for n in order:
                out += varint(zigzag(n - last))
                last = n
            guess = [0] * len(order)
            for row, c in enumerate(columns):
                self.kernels[c]["block"], self.kernels[c]["row"] = number, row
                moved = 0
                for i, n in enumerate(order):
                    rva = self.symbols[names[n]][c]
                    if rva is None:
                        out += varint(0)
                        continue
                    out += varint(zigzag(rva - (guess[i] + moved)) + 1)
                    moved = rva - guess[i]
                    guess[i] = rva
            blocks.append(bytes(out))
        self.symbol_names, self.symbol_blocks = names, blocks

    def type_blocks(self):
        """Blocks of whole types, and per type (block, offset)."""
        places, blocks, current = [], [], bytearray()
        for blob in self.type_blobs:
            if current and len(current) + len(blob) > BLOCK_BYTES:
                blocks.append(bytes(current))
                current = bytearray()
            places.append((len(blocks), len(current)))
            current += blob
        blocks.append(bytes(current))
        return places, blocks

    def encode_images(self):
        images, versions = [], {}
        for arch, version, name, stamp, size, _ in rows(
                self.tables / "images.tsv"):
            build, revision = (int(x) for x in version.split(".")[2:4])
            versions[build, revision] = 0
            kind = ARCH[arch] | (4 if name.startswith("ntkrla57") else 0)
            images.append((int(stamp, 16), int(size, 16), kind,
                           (build, revision)))
        order = sorted(versions)
        versions = {v: i for i, v in enumerate(order)}
        images.sort()
        out = struct.pack("<II", len(images), len(order))
        out += b"".join(struct.pack("<I", i[0]) for i in images)
        for _, size, kind, version in images:
            if size & 0xfff or size >> 12 > 0xffff:
                sys.exit(f"images.tsv: size {size:#x} is not whole pages")
            out += struct.pack("<HH", size >> 12, versions[version] << 3 | kind)
        out += b"".join(struct.pack("<HH", *v) for v in order)
        return out

    def kernel_rows(self):
        out = b""
        for k in self.kernels:
            guid = k["guid"]
            raw = bytes(16) if not guid else (
                bytes.fromhex(guid[0:8])[::-1] + bytes.fromhex(guid[8:12])[::-1]
                + bytes.fromhex(guid[12:16])[::-1] + bytes.fromhex(guid[16:]))
            if k["pdb"] not in ("", "ntkrnlmp.pdb"):
                sys.exit(f"PDB name {k['pdb']} has no place in the format")
            out += struct.pack("<4H16sBBBBHH", *version_key(k["version"]), raw,
                               k["age"], ARCH[k["arch"]], k["symbols"],
                               k.get("block", 0), k.get("row", 0),
                               k["layout"])
        return out

    def blob(self):
        self.encode_types()
        self.encode_symbols()
        self.wanted.check(self.symbol_names, self.type_names)
        places, type_blocks = self.type_blocks()
        strings = b"".join(
            b"".join(n.encode() + b"\0" for n in group) for group in
            (self.symbol_names, self.type_names, self.member_names))
        shapes = b"".join(
            struct.pack("<BBBBIIH", s[0] | s[1] << 4, s[4], s[5], 0, s[2],
                        s[3], s[6]) for s in self.shapes)
        head = struct.pack("<8I", len(self.kernels), len(self.layouts),
                           len(self.symbol_names), len(self.type_names),
                           len(self.member_names), len(self.shapes),
                           len(self.symbol_blocks), len(type_blocks))
        head += self.kernel_rows()
        head += b"".join(struct.pack("<HH", *p) for p in places)
        self.sections = [("kernels", head, False),
                         ("images", self.encode_images(), False),
                         ("strings", strings, True),
                         ("layouts", b"".join(self.matrix), True),
                         ("shapes", shapes, True)]
        self.sections += [("symbols", b, True) for b in self.symbol_blocks]
        self.sections += [("types", b, True) for b in type_blocks]
        return join_sections(self.sections)


def encode_definition(size, fields, members, shapes):
    out = bytearray(varint(size) + varint(len(fields)))
    last_offset = last_member = 0
    for name, offset, shape in fields:
        member = members[name]
        out += varint(zigzag(member - last_member))
        out += varint(zigzag(offset - last_offset)) + varint(shapes[shape])
        last_offset, last_member = offset, member
    return bytes(out)


def join_sections(sections):
    table, body = b"", b""
    start = len(MAGIC) + 4 + 12 * len(sections)
    for _, raw, packed in sections:
        data = zlib.compress(raw, 9) if packed else raw
        table += struct.pack("<III", start + len(body), len(data), len(raw))
        body += data
    return MAGIC + struct.pack("<I", len(sections)) + table + body


def version_key(version):
    return tuple(int(x) for x in version.split("."))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("tables")
    ap.add_argument("--out", default=HERE.parent.parent /
                    "lib/sym/data/kernels.bin")
    ap.add_argument("--report", help="list of repaired definitions")
    args = ap.parse_args()
    builder = Builder(args.tables, Wanted(HERE / "wanted.txt"))
    blob = builder.blob()
    Path(args.out).write_bytes(blob)
    if args.report:
        Path(args.report).write_text("\n".join(builder.report) + "\n")
    sizes = {}
    for name, raw, packed in builder.sections:
        n, r, z = sizes.get(name, (0, 0, 0))
        sizes[name] = (n + 1, r + len(raw),
                       z + len(zlib.compress(raw, 9) if packed else raw))
    for name, (n, r, z) in sizes.items():
        print(f"{name}: {n} section(s), {r} bytes, {z} packed")
    print(f"{len(builder.kernels)} kernels, {len(builder.layouts)} layouts, "
          f"{len(builder.symbol_names)} names, {len(builder.type_names)} "
          f"types, {len(builder.report)} repairs, {len(blob)} bytes")


if __name__ == "__main__":
    main()
