"""python -m dgc [--keep FILE] script.py [arguments]: records a few training steps of the script and reports.

Exit status: 0 nothing was found, 1 findings, 3 not judged."""
import os
import runpy
import sys

from . import report


def usage():
    sys.stderr.write(__doc__ + "\n")
    return 2


def main(argv):
    keep = None
    while argv and argv[0].startswith("-"):
        if argv[0] == "--keep" and len(argv) > 1:
            keep, argv = os.path.abspath(argv[1]), argv[2:]
        else:
            return usage()
    if not argv:
        return usage()
    try:
        from .torch import Finished, Session
    except ImportError as e:
        sys.stderr.write(str(report.not_judged(f"no framework that is known here can be imported: {e}")))
        return report.NOT_JUDGED
    script, sys.argv = argv[0], argv
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    ended = None
    with Session(stop=True, keep=keep, debug=bool(os.environ.get("DGC_DEBUG"))) as session:
        try:
            runpy.run_path(script, run_name="__main__")
            session.finish()
        except Finished:
            pass
        except SystemExit as e:
            session.finish()
            ended = f"the script ended by itself, with {e.code}"
        except BaseException as e:   # noqa: BLE001 -- the user's own
            import traceback
            session.finish()
            frames = e.__traceback__
            while frames is not None and "runpy" not in frames.tb_frame.f_code.co_filename:
                frames = frames.tb_next
            traceback.print_exception(type(e), e, frames or e.__traceback__)
            ended = f"the script ended with {type(e).__name__}"
    made = session.report()
    sys.stdout.flush()
    sys.stderr.write(made.text)
    if ended and made.status == report.NOT_JUDGED:
        sys.stderr.write(f"dgc: {ended}\n")
    return made.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
