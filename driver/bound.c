/* What the diagnosis finds once the data says how large it is. */
#include "driver/commands.h"

dg_status say_bound(dg_context *cx, const Options *o, dg_program *p, dg_session *s) {
  const char *text, *step = o->last[OPT_STEP];
  dg_text_form form = diagnostics_form(o);
  dg_status st = one_document(o) ? dg_session_diagnostics(s, step, form, &text)
                                 : dg_session_warnings(s, step, form, &text);
  if (*text || !one_document(o))
    fputs(text, stderr);
  else
    say_diagnostics(o, p);
  return say(cx, st);
}
