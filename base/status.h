/* Result classes shared by the command (exit status) and the library (enumerators). See
 * docs/errors/README.md. */
#ifndef DG_BASE_STATUS_H
#define DG_BASE_STATUS_H

typedef enum {
  ST_OK = 0,
  ST_REJECTED = 1,   /* the program was rejected: diagnostics say why */
  ST_USAGE = 2,      /* command line or API misuse */
  ST_BAD_DATA = 3,   /* a data or checkpoint file is invalid */
  ST_IO = 4,         /* the system refused to read or write */
  ST_LIMIT = 5,      /* a named limit was exceeded */
  ST_NO_MEMORY = 6,  /* an allocation failed */
  ST_NON_FINITE = 7, /* training met a NaN or an infinity */
  ST_SELF_CHECK = 8, /* a check of the program does not hold: a CHECK root */
  ST_MISMATCH = 9,   /* checkpoint of another program */
  ST_CANCELLED = 10, /* another thread has ended the call */
  ST_INTERNAL = 70,  /* a defect of dgc */
} Status;

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

#endif
