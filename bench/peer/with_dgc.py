"""dgc through its C API, as a host program would."""
import ctypes, os, sys

import models

HERE = os.path.dirname(os.path.abspath(__file__))
F32, I32 = 0, 2


class Array(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("rank", ctypes.c_int), ("extent", ctypes.c_int64 * 8), ("data", ctypes.c_void_p),
                ("stride", ctypes.c_int64 * 8), ("reserved", ctypes.c_int64 * 4)]


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("threads", ctypes.c_int), ("seed", ctypes.c_uint32), ("interpret", ctypes.c_int),
                ("level", ctypes.c_int), ("isa", ctypes.c_char_p), ("check_finite", ctypes.c_int)]


class Dgc:
    def __init__(self, model, threads, library, isa, params):
        self.lib = L = ctypes.CDLL(library)
        for f in ("dg_context_new", "dg_error", "dg_version"):
            getattr(L, f).restype = ctypes.c_void_p if f == "dg_context_new" else ctypes.c_char_p
        L.dg_error.argtypes = [ctypes.c_void_p]
        self.cx = ctypes.c_void_p(L.dg_context_new())
        program, self.s = ctypes.c_void_p(), ctypes.c_void_p()
        self.ok(L.dg_check_file(self.cx, os.path.join(HERE, model + ".dg").encode(), ctypes.byref(program)))
        o = Options()
        L.dg_session_options_init(ctypes.byref(o), ctypes.c_size_t(ctypes.sizeof(o)))
        o.threads = threads
        o.isa = isa.encode() if isa else None
        self.ok(L.dg_session_new(program, ctypes.byref(o), ctypes.byref(self.s)))
        self.keep = models.batch(model)
        for name, a in self.keep.items():
            self.ok(L.dg_bind(self.s, name.encode(), ctypes.byref(self.array(a))))
        for name, a in params.items():
            self.ok(L.dg_write(self.s, name.encode(), ctypes.byref(self.array(a))))
        self.version = "dgc " + L.dg_version().decode()

    def ok(self, status):
        if status:
            sys.exit(f"dgc: status {status}: {(self.lib.dg_error(self.cx) or b'').decode()}")

    def array(self, a):
        return Array(I32 if a.dtype.kind == "i" else F32, a.ndim, (ctypes.c_int64 * 8)(*a.shape), a.ctypes.data)

    def run(self, n):
        for _ in range(n):
            self.ok(self.lib.dg_step(self.s, b"fit"))
        v = ctypes.c_double()
        self.ok(self.lib.dg_value(self.s, b"ce", ctypes.byref(v)))
        return v.value
