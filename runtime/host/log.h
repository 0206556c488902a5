/* A log of metrics: one row an epoch, as JSON lines or CSV. The file is replaced whole at each save, so it is
 * never torn. */
#ifndef DG_RUNTIME_HOST_LOG_H
#define DG_RUNTIME_HOST_LOG_H

#include "runtime/host/error.h"

typedef enum { LOG_JSONL, LOG_CSV } LogFormat;
typedef struct MetricLog {
  LogFormat format;
  Str path;
  Sb text;
  Arena *arena;
  VEC(Str) column; /* CSV: names of the first row */
} MetricLog;
typedef struct LogValue {
  Str name;
  double value; /* 17 digits, so that it reads back the same; not finite: null in JSON, empty in CSV */
} LogValue;

/* .csv is CSV, every other name JSON lines. */
void log_init(MetricLog *l, Arena *a, Str path);
/* Adds a row. False (ST_USAGE): CSV with other columns than the first row. */
MUST_USE bool log_row(MetricLog *l, const LogValue *v, size_t n, HostError *err);
MUST_USE bool log_save(const MetricLog *l, HostError *err);

#endif
