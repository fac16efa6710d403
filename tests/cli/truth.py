# SPDX-License-Identifier: MIT
"""Compare a report with what poolscope-mkdump says a reader must find."""

# What identifies an element of each array, whatever its order.
KEYS = ("tag", "address", "pid", "node", "base", "start", "name", "id",
        "code")
# Truth for other tests than those of the report.
NOT_OF_THE_REPORT = ("blocks", "builder", "walk_tags")


def is_absent(found, want, lenient):
    """A counter that the kernel does not have: null, and 0 in a recipe. Of a
    recovered kernel (@lenient) a figure may also be given up or approximate,
    but not wrong."""
    if found is None and want in (0, {"pages": 0, "bytes": 0}):
        return True
    if not lenient:
        return False
    if isinstance(found, str):      # a region whose name nobody published
        return found.startswith("Region ")
    return found is None or (isinstance(found, dict) and
                             ("error" in found or "approximate" in found))


def live(values):
    """Recipes name the big allocations in use, a report also freed ones."""
    return [v for v in values if not (isinstance(v, dict) and v.get("free"))]


def identity(value):
    if isinstance(value, dict):
        return tuple(str(value[k]) for k in KEYS if k in value)
    return str(value)


def same_elements(found, want, path, lenient):
    found, want = live(found), live(want)
    if len(found) != len(want):
        names = {identity(v) for v in found} ^ {identity(v) for v in want}
        return [f"{path}: {len(found)} elements, not {len(want)}: "
                f"{sorted(names)[:5]}"]
    bad = []
    for f, w in zip(sorted(found, key=identity), sorted(want, key=identity)):
        bad += differences(f, w, f"{path}[{'/'.join(identity(w))}]", lenient)
    return bad


def differences(found, want, path="", lenient=False):
    """Where @found lacks or contradicts @want; more in @found is fine."""
    if is_absent(found, want, lenient):
        return []
    if isinstance(want, dict):
        if not isinstance(found, dict):
            return [f"{path}: {found!r:.60} is no object"]
        bad = []
        for key, value in want.items():
            if not path and key in NOT_OF_THE_REPORT:
                continue
            if key not in found:
                bad.append(f"{path}/{key}: missing")
            else:
                bad += differences(found[key], value, f"{path}/{key}", lenient)
        return bad
    if isinstance(want, list):
        if not isinstance(found, list):
            return [f"{path}: {found!r:.60} is no array"]
        return same_elements(found, want, path, lenient)
    if found != want:
        return [f"{path}: {found!r}, not {want!r}"]
    return []
