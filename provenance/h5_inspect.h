/* The checks that come before any reading: links, groups, datasets, types, shapes, storage,
 * filters. */
#ifndef PLUMB_PROVENANCE_H5_INSPECT_H
#define PLUMB_PROVENANCE_H5_INSPECT_H

#include "provenance/h5_common.h"

typedef struct plumb__h5_shape {
    bool whole;          /* has the groups that only provenance.h5 has */
    uint64_t file_bytes; /* set by the caller: what the file system says, 0: being written */
    size_t n_uses;
    uint64_t rows[PLUMB__H5_ROWS_COUNT];
    char run_id[33];
} plumb__h5_shape;

/* Looks at every link of the open file but those of /statements and opens the datasets of schema 2
 * into columns [PLUMB__H5_COLUMN_COUNT] (those that only provenance.h5 has stay closed in a
 * segment). Anything that schema 2 does not have is refused by name. On failure the caller closes
 * the columns. Takes the lock. */
plumb_status plumb__h5_inspect(hid_t file, const char *path, const plumb__h5_types *types,
                               plumb__h5_column *columns, plumb__h5_shape *shape,
                               plumb_error *err) PLUMB_MUST_CHECK;

/* Opens /statements/NAME with the same checks; PLUMB_ERR_NOT_FOUND when there is none. Takes the
 * lock. */
plumb_status plumb__h5_open_statement(hid_t file, const char *path, const plumb__h5_types *types,
                                      const char *name, plumb__h5_column *column,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* 1 to 127 of [A-Za-z0-9._-], the first no dot. */
bool plumb__h5_statement_name_ok(const char *name);

#endif
