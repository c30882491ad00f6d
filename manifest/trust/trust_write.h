/* From a changed document to a signed store on disk. */
#ifndef PLUMB_MANIFEST_TRUST_WRITE_H
#define PLUMB_MANIFEST_TRUST_WRITE_H

#include "base/file.h"
#include "manifest/trust/trust_store.h"

/* A store that is being changed, under its lock. */
typedef struct plumb__trust_edit {
    const char *path;
    char next_path[PLUMB__PATH_BYTES];
    int lock; /* -1: none */
    plumb__bytes text;
    plumb_trust *trust; /* NULL: there is no store yet */
    json_t *document;   /* the caller changes it */
} plumb__trust_edit;

/* Locks and reads the store; refuses while another change waits in STORE.next. */
plumb_status plumb__trust_edit_open(const char *path, const plumb_trust_change *change,
                                    plumb__trust_edit *edit, plumb_error *err) PLUMB_MUST_CHECK;
/* The same where no store may be; the caller gives the document. */
plumb_status plumb__trust_edit_new(const char *path, const plumb_trust_change *change,
                                   plumb__trust_edit *edit, plumb_error *err) PLUMB_MUST_CHECK;
/* Numbers, dates and signs the document and writes it to STORE, or to STORE.next while signatures
 * are missing. `rotates`: the roots are others than before. */
plumb_status plumb__trust_edit_commit(plumb__trust_edit *edit, plumb_trust_change *change,
                                      bool rotates, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__trust_edit_close(plumb__trust_edit *edit);

json_t *plumb__trust_time_json(int64_t unix_s);
plumb_status plumb__trust_no_memory(plumb_error *err);

#endif
