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

    def key(self):
        return (self.file, self.line, self.col, self.end_line, self.end_col, id(self.caller), self.what)


def is_user_file(name):
    if name.startswith("<") or "site-packages" in name or "dist-packages" in name:
        return False
    full = os.path.abspath(name)
    return not full.startswith(_HERE) and not full.startswith(_LIBRARY)


class Frames:
    """Places are made once: walking the stack is most of what recording costs."""

    def __init__(self):
        self.user = {}       # code object: is it the user's?
        self.spans = {}      # code object: positions of its instructions
        self.places = {}

    def _span(self, frame):
        code, at = frame.f_code, frame.f_lasti
        spans = self.spans.get(code)
        if spans is None:
            positions = getattr(code, "co_positions", None)
            spans = self.spans[code] = list(positions()) if positions else []
        line, end, col, end_col = spans[at // 2] if 0 <= at // 2 < len(spans) else (None,) * 4
        if line is None or end is None or col is None or end_col is None:
            line = end = frame.f_lineno or 1
            col = end_col = 0
        return line, col, end, end_col

    def frames(self, skip):
        """The user's frames, innermost first."""
        frame = sys._getframe(skip + 1)
        while frame is not None:
            code = frame.f_code
            if code.co_filename == _COMMAND:    # what runs the user's program is not the user's
                return
            own = self.user.get(code)
            if own is None:
                own = self.user[code] = is_user_file(code.co_filename)
            if own:
                yield frame
            frame = frame.f_back

    def here(self, what=None, skip=1, depth=12):
        """The innermost place of the user that is running, with its callers; None where there is none."""
        found = []
        for frame in self.frames(skip + 1):
            found.append((frame.f_code.co_filename, *self._span(frame), frame.f_code.co_name))
            if len(found) == depth:
                break
        place = None
        for k in range(len(found) - 1, -1, -1):
            file, line, col, end, end_col, name = found[k]
            if k == 0 and what:
                name = what
            key = (file, line, col, end, end_col, id(place), name)
            made = self.places.get(key)
            if made is None:
                made = self.places[key] = Place(file, line, col, end, end_col, place, name)
            place = made
        return place
