"""The user's own places in a running Python program."""
import os
import sys
import sysconfig

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_COMMAND = os.path.join(_HERE, "__main__.py")
_LIBRARY = tuple({os.path.join(os.path.abspath(p), "") for k, p in sysconfig.get_paths().items()
                  if k in ("stdlib", "platstdlib", "purelib", "platlib")})


class Place:
    """A line with columns (bytes, from 0), the function that was called there, and the call that led there."""

    __slots__ = ("file", "line", "col", "end_line", "end_col", "caller", "what")

    def __init__(self, file, line, col, end_line, end_col, caller, what):
        self.file, self.line, self.col, self.end_line, self.end_col = file, line, col, end_line, end_col
        self.caller, self.what = caller, what

    def called(self, what):
        """The same place of another function."""
        return Place(self.file, self.line, self.col, self.end_line, self.end_col, self.caller, what)

    def key(self):
        return (self.file, self.line, self.col, self.end_line, self.end_col, id(self.caller), self.what)


def is_user_file(name):
    if name.startswith("<") or "site-packages" in name or "dist-packages" in name:
        return False
    full = os.path.abspath(name)
    return not full.startswith(_HERE) and not full.startswith(_LIBRARY)


class Code:
    """What is known of a code object."""

    __slots__ = ("code", "own", "_spans")

    def __init__(self, code):
        self.code, self.own, self._spans = code, is_user_file(code.co_filename), None

    def span(self, at, line_now):
        """Of the instruction there."""
        if self._spans is None:
            positions = getattr(self.code, "co_positions", None)
            self._spans = list(positions()) if positions else []
        line, end, col, end_col = self._spans[at // 2] if 0 <= at // 2 < len(self._spans) else (None,) * 4
        if line is None or end is None or col is None or end_col is None:
            return line_now or 1, 0, line_now or 1, 0
        return line, col, end, end_col


class Frames:
    """Places are made once: walking the stack is most of what recording costs."""

    def __init__(self):
        self.codes = {}      # id of a code object: Code; hashing one itself reads its constants, each time
        self.reached = {}    # id of a code object, instruction, caller, function: the place
        self.places = {}     # several instructions lie at one place

    def frames(self, skip):
        """The user's frames, innermost first."""
        frame, codes = sys._getframe(skip + 1), self.codes
        while frame is not None:
            code = frame.f_code
            if code.co_filename == _COMMAND:    # what runs the user's program is not the user's
                return
            known = codes.get(id(code))
            if known is None:
                known = codes[id(code)] = Code(code)
            if known.own:
                yield frame
            frame = frame.f_back

    def _place(self, frame, caller, what):
        code = frame.f_code
        span = self.codes[id(code)].span(frame.f_lasti, frame.f_lineno)
        key = (code.co_filename, *span, caller, what)
        made = self.places.get(key)
        if made is None:
            made = self.places[key] = Place(code.co_filename, *span, caller, what)
        return made

    def here(self, what=None, skip=1, depth=12):
        """The innermost place of the user that is running, with its callers; None where there is none."""
        found = []
        for frame in self.frames(skip + 1):
            found.append(frame)
            if len(found) == depth:
                break
        place = None
        for k in range(len(found) - 1, -1, -1):
            frame = found[k]
            name = what if k == 0 and what else frame.f_code.co_name
            key = (id(frame.f_code), frame.f_lasti, place, name)
            made = self.reached.get(key)
            if made is None:
                made = self.reached[key] = self._place(frame, place, name)
            place = made
        return place
