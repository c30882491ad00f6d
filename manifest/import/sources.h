/* The exports that can be read. Each reader hands rows or entries to the collection; what is wrong
 * with one of them goes through plumb__refuse, which says whether to go on. */
#ifndef PLUMB_IMPORT_SOURCES_H
#define PLUMB_IMPORT_SOURCES_H

#include "base/hash.h"
#include "manifest/import/collect.h"

typedef struct plumb__reading {
    const plumb_import_options *options;
    plumb_import_summary *summary;
    plumb__mapping mapping;
    plumb__collection collection;
} plumb__reading;

/* OK: the failure is of one row and rows are to be skipped; else the failure itself. */
plumb_status plumb__refuse(plumb__reading *r, plumb_status status,
                           plumb_error *err) PLUMB_MUST_CHECK;
/* Takes a row, or refuses it. */
plumb_status plumb__take_row(plumb__reading *r, plumb__row *row, plumb_error *err) PLUMB_MUST_CHECK;

/* Each fills r->collection (made by itself, once r->mapping is read). */
plumb_status plumb__import_table(plumb__reading *r, plumb_error *err) PLUMB_MUST_CHECK;
/* The digest that is stated of a file, by whom, and what of the file was read. */
typedef struct plumb__stated {
    const char *sha256, *by;
    plumb__hasher hasher;
} plumb__stated;

/* Whether the bytes that a reader read, and those it left unread, are those of the digest: what a
 * name stands for may change in between. `status` is what reading came to; what is wrong with a row
 * says little when the file is another. */
plumb_status plumb__stated_check(plumb__stated *stated, plumb_status status, int fd,
                                 const char *path, plumb_error *err) PLUMB_MUST_CHECK;
/* renamed: NULL, or names for columns: {name: column}. stated: NULL, or is checked. */
plumb_status plumb__import_table_file(plumb__reading *r, const char *path, const json_t *renamed,
                                      plumb__stated *stated, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__import_croissant(plumb__reading *r, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__import_label_studio(plumb__reading *r, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__import_scale(plumb__reading *r, plumb_error *err) PLUMB_MUST_CHECK;

#endif
