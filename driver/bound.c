/* What the diagnosis finds once the data says how large it is. */
#include "driver/commands.h"

#include <string.h>

dg_status say_bound(dg_context *cx, const Options *o, dg_session *s) {
  const char *text, *format = o->last[OPT_FORMAT];
  bool json = format && !strcmp(format, "json");
  dg_text_form form = json ? DG_TEXT_JSON : o->color ? DG_TEXT_COLOR : DG_TEXT_PLAIN;
  dg_status st = dg_session_warnings(s, o->last[OPT_STEP], form, &text);
  fputs(text, stderr);
  return say(cx, st);
}
