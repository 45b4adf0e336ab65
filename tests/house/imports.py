"""Who imports whom in a crate: read from the paths that the code names, with re-exports followed."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

#: Strings, characters and comments, whichever begins first: each may hold what begins another.
_WORDS = re.compile(
    r"""r(\#*)"(?:.|\n)*?"\1|"(?:\\(?:.|\n)|[^"\\])*"|'(?:\\[^\n]+?|[^'\\\n])'|//[^\n]*|/\*(?:.|\n)*?\*/"""
)
_USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
#: `pub(in crate::room)` says who may see something, and imports nothing.
_SEEN_IN = re.compile(r"\bpub\(in [^)]*\)")
#: A path in the code; one that begins with no `crate`, `self` or `super` may begin with a part of its own module.
_PATH = re.compile(r"(?<![\w:.])([a-z_]\w*)((?:::\w+)+)")


def without_words(text):
    """The code alone: no comments, no strings, no unit tests at the file's foot."""
    code = _WORDS.sub(lambda found: " " if found[0].startswith("/") else '""', text)
    code = re.split(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\(crate\))? )?mod tests", code)[0]
    return _SEEN_IN.sub("pub", code)


def leaves(tree, prefix=()):
    """`a::{b, c::{d as e}}` as (path, name it goes by)."""
    tree = tree.strip()
    if "{" not in tree:
        if not tree:
            return
        path, _, alias = tree.partition(" as ")
        parts = prefix + tuple(part.strip() for part in path.split("::") if part.strip())
        yield parts, alias.strip() or parts[-1]
        return
    head, rest = tree.split("{", 1)
    rest = rest.rsplit("}", 1)[0]
    prefix += tuple(part.strip() for part in head.split("::") if part.strip())
    depth, start = 0, 0
    for at, char in enumerate(rest + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            yield from leaves(rest[start:at], prefix)
            start = at + 1


class House:
    """Modules by their path, each with its file, its code and what it hands on."""

    def __init__(self, src=SRC):
        self.src = src
        self.files, self.code, self.handed_on = {}, {}, {}
        for file in sorted(src.rglob("*.rs")):
            parts = file.relative_to(src).with_suffix("").parts
            if parts[0] == "bin":
                module = ("bin", parts[-1])
            elif parts == ("lib",):
                module = ()
            else:
                module = parts[:-1] if parts[-1] == "mod" else parts
            self.files[module] = file
            self.code[module] = without_words(file.read_text())
        for module, code in self.code.items():
            self.handed_on[module] = {
                name: self.absolute(module, path)
                for public, tree in _USE.findall(code)
                if public
                for path, name in leaves(tree)
            }

    def absolute(self, module, path):
        """A path as written in a module, from the crate's root; None for another crate's."""
        head, *rest = path
        if head == "crate":
            return tuple(rest)
        if head == "studio_broker" and module[:1] == ("bin",):
            return tuple(rest)
        if head == "self":
            return module + tuple(rest)
        if head == "super":
            if rest and rest[0] == "super":
                return self.absolute(module[:-1], ("super", *rest[1:]))
            return module[:-1] + tuple(rest)
        return module + tuple(path) if module + (head,) in self.files else None

    def home(self, path, seen=()):
        """The module that an absolute path leads into, past every re-export."""
        if path is None or path in seen:
            return None
        for length in range(len(path), -1, -1):
            module = path[:length]
            if module in self.files:
                rest = path[length:]
                if rest and (onward := self.handed_on[module].get(rest[0])):
                    return self.home(onward + rest[1:], (*seen, path))
                return module
        return None

    def arrows(self):
        """{(importer, imported): names}, modules as tuples; a module's own parts do not count."""
        found = {}
        for module, code in self.code.items():
            paths = set()
            for public, tree in _USE.findall(code):
                if not public:
                    paths |= {path for path, _ in leaves(tree)}
            rest = _USE.sub("", code)
            paths |= {(head, *tail.split("::")[1:]) for head, tail in _PATH.findall(rest)}
            for path in paths:
                home = self.home(self.absolute(module, path))
                if home is not None and home != module:
                    found.setdefault((module, home), set()).add(path[-1])
        return found


def circles(arrows):
    """Groups of modules that reach each other (Tarjan)."""
    after = {}
    for a, b in arrows:
        after.setdefault(a, set()).add(b)
        after.setdefault(b, set())
    index, low, stack, on, groups = {}, {}, [], set(), []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        on.add(v)
        for w in sorted(after[v]):
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in on:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            group = []
            while True:
                w = stack.pop()
                on.discard(w)
                group.append(w)
                if w == v:
                    break
            if len(group) > 1:
                groups.append(sorted(group))

    for v in sorted(after):
        if v not in index:
            visit(v)
    return groups
