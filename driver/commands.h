/* The commands of dgc. Each returns the exit status. */
#ifndef DG_DRIVER_COMMANDS_H
#define DG_DRIVER_COMMANDS_H

#include "base/str.h"
#include "driver/options.h"

/* Settings that every command takes: -D, -W, --limit, --data-root. Says what is wrong itself. */
dg_status apply_settings(dg_context *cx, const Options *o);
/* Checks o->subject and prints its diagnostics; *out is NULL when there is no program. The status counts
 * errors only. Where they are one document, an accepted program's wait for what train or build adds. */
dg_status check_subject(dg_context *cx, const Options *o, dg_program **out);
/* "dgc: reason" for a call that failed. */
dg_status say(dg_context *cx, dg_status st);
/* As --diagnostics-format and --color ask for them; JSON and SARIF are one document on stderr. */
dg_text_form diagnostics_form(const Options *o);
bool one_document(const Options *o);
void say_diagnostics(const Options *o, dg_program *p);
/* Says the verdicts that the extents of the data add; in one document all diagnostics of the program. */
dg_status say_bound(dg_context *cx, const Options *o, dg_program *p, dg_session *s);

/* A whole file or none; says itself why not. */
dg_status write_file(Str path, const char *text, size_t n);

int command_check(dg_context *cx, const Options *o);
int command_train(dg_context *cx, const Options *o);
int command_eval(dg_context *cx, const Options *o);
int command_predict(dg_context *cx, const Options *o);
int command_build(dg_context *cx, const Options *o);
int command_explain(const Options *o);
int command_fix(dg_context *cx, const Options *o);
int command_fmt(dg_context *cx, const Options *o);

/* ---- session.c ---- */
/* A session with weights and data. Without a set's name `--data` feeds what the command reads: training data
 * of train, test data of eval. */
dg_status session_open(dg_context *cx, const Options *o, dg_program *p, bool training, dg_session **out);
/* Does the file of --load or --resume, if there is one, fit the program? */
dg_status session_fits(dg_context *cx, const Options *o, dg_program *p);
/* [SET:]INPUT=FILE[:COLUMNS]; `otherwise` is the set that is meant without its name. */
dg_status session_feed(dg_context *cx, dg_session *s, const char *text, const char *otherwise);

#endif
