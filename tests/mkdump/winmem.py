# SPDX-License-Identifier: MIT
"""A small reader of dump files and x64 page tables, for tests of the builder.

Written from the description of the formats, sharing nothing with the C code:
a mistake that builder and library make together must not hide here.
"""
import gzip
import io
import mmap
import struct
import zipfile

PAGE = 0x1000


class Dump:
    """Physical pages of a dump by frame number."""

    def __init__(self, path):
        with open(path, "rb") as f:
            magic = f.read(4)
            if magic[:2] == b"\x1f\x8b":
                self.data = gzip.open(path).read()
            elif magic[:2] == b"PK":
                with zipfile.ZipFile(path) as z:
                    self.data = z.read(z.namelist()[0])
            else:
                self.data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        assert self.data[:8] == b"PAGEDU64"
        self.type = self.u32(0xF98)
        self.build = self.u32(0xC)
        self.dtb = self.u64(0x10)
        self.index = {}
        self.runs = []
        self.announced = None
        if self.type == 1:
            self.read_runs(0x98, self.u32(0x88), 0x2000)
            self.announced = self.u64(0x90)
        elif self.type in (5, 6):
            assert self.data[0x2000:0x2008] in (b"SDMPDUMP", b"FDMPDUMP")
            self.read_bitmap(0x2038, self.u64(0x2030), self.u64(0x2020))
            self.announced = self.u64(0x2028)
        elif self.type == 2:
            assert self.u32(0x2010) == self.u32(0x2018)
            self.read_bitmap(0x2028, self.u32(0x2010), self.u32(0x200C))
            self.announced = self.u32(0x2014)
        elif self.type in (8, 9, 10):
            assert self.data[0x2000:0x200C] == b"@\0\0\0RDMPDUMP"
            assert self.u64(0x2018) == 0x2020 + self.u64(0x2010)
            self.read_runs(0x2030, None, self.u64(0x2018))
            self.announced = self.u64(0x2028)

    def u32(self, off):
        return struct.unpack_from("<I", self.data, off)[0]

    def u64(self, off):
        return struct.unpack_from("<Q", self.data, off)[0]

    def read_runs(self, at, count, first):
        off = first
        while count is None or count > 0:
            base, pages = struct.unpack_from("<QQ", self.data, at)
            if not pages:
                break
            self.runs.append((base, pages, off))
            off += pages * PAGE
            at += 16
            if count is not None:
                count -= 1

    def read_bitmap(self, at, bits, first):
        raw = bytes(self.data[at:at + (bits + 7) // 8])
        whole = int.from_bytes(raw, "little") & ((1 << bits) - 1)
        raw = whole.to_bytes(len(raw), "little")
        off = first
        start = None
        for i, byte in enumerate(raw):
            if byte == 0 and start is None or byte == 255 and start is not None:
                continue
            for bit in range(8):
                if byte >> bit & 1:
                    if start is None:
                        start = i * 8 + bit
                elif start is not None:
                    n = i * 8 + bit - start
                    self.runs.append((start, n, off))
                    off += n * PAGE
                    start = None
        if start is not None:
            self.runs.append((start, bits - start, off))

    def pages(self):
        return sum(r[1] for r in self.runs)

    def offset(self, pfn):
        if pfn in self.index:
            return self.index[pfn]
        lo, hi = 0, len(self.runs)
        while lo < hi:
            mid = (lo + hi) // 2
            base, n, off = self.runs[mid]
            if pfn < base:
                hi = mid
            elif pfn >= base + n:
                lo = mid + 1
            else:
                self.index[pfn] = off + (pfn - base) * PAGE
                return self.index[pfn]
        return None

    def physical(self, pa, n):
        off = self.offset(pa >> 12)
        if off is None or off + (pa & 0xFFF) + n > len(self.data):
            raise LookupError(f"frame 0x{pa >> 12:x} is not in the dump")
        off += pa & 0xFFF
        return self.data[off:off + n]


class Memory:
    """Kernel virtual memory over a Dump."""

    def __init__(self, dump, mask=0, levels=4):
        self.dump, self.mask, self.levels = dump, mask, levels
        self.overlay = (0, b"")     # address and bytes that are not in the dump

    def unswizzle(self, pte):
        if not self.mask:
            return pte
        return pte & ~0x10 if pte & 0x10 else pte & ~self.mask

    def entry(self, table, index):
        return struct.unpack("<Q", self.dump.physical(
            (table & 0xFFFFFFFFFF000) + index * 8, 8))[0]

    def translate(self, va, depth=0):
        table = self.dump.dtb
        shift = 48 if self.levels == 5 else 39
        while True:
            e = self.entry(table, va >> shift & 0x1FF)
            if not e & 1:
                return self.software(va, e, shift, depth)
            if shift == 12 or (shift < 39 and e & 0x80):
                keep = (1 << shift) - 1
                return (e & 0xFFFFFFFFFF000 & ~keep) | (va & keep)
            table, shift = e, shift - 9

    def software(self, va, e, shift, depth):
        e = self.unswizzle(e)
        if shift != 12 or not e & 0xC00:
            raise LookupError(f"0x{va:x} is not resident (0x{e:x})")
        if e & 0x400:
            assert depth < 2
            proto = (e >> 16) | (0xFFFF << 48 if e >> 63 else 0)
            e = struct.unpack("<Q", self.read(proto, 8, depth + 1))[0]
            if not e & 1:
                e = self.unswizzle(e)
                assert e & 0x800
        return (e & 0xFFFFFFFFF000) | (va & 0xFFF)

    def read(self, va, n, depth=0):
        base, extra = self.overlay
        if base <= va < base + len(extra):
            return extra[va - base:va - base + n]
        out = io.BytesIO()
        while n:
            part = min(n, PAGE - (va & 0xFFF))
            out.write(self.dump.physical(self.translate(va, depth), part))
            va += part
            n -= part
        return out.getvalue()

    def u64(self, va):
        return struct.unpack("<Q", self.read(va, 8))[0]

    def u32(self, va):
        return struct.unpack("<I", self.read(va, 4))[0]

    def u16(self, va):
        return struct.unpack("<H", self.read(va, 2))[0]

    def unicode(self, va):
        length = self.u16(va)
        return self.read(self.u64(va + 8), length).decode("utf-16-le")
