/* The records file of an open manifest. Its lines are not kept in memory: one that is asked for is
 * read again with the 256 of its group, and these must have the root that was verified. So what is
 * handed out is what was signed, whatever happened to the file since. */
#ifndef PLUMB_MANIFEST_RECORD_FILE_H
#define PLUMB_MANIFEST_RECORD_FILE_H

#include "manifest/records/record_load.h"

typedef struct plumb__record_file {
    char *path;
    int fd;
    bool open; /* fd is */
    plumb__line_index index;
    plumb__records_identity identity;
} plumb__record_file;

/* Loads a file into the table (record_load.h) and keeps it open. private_file may be NULL. */
plumb_status plumb__record_file_open(const char *path, const plumb__records_identity *expected,
                                     const plumb__private *private_file, plumb__taxonomy *taxonomy,
                                     plumb__table *table, plumb__record_file *out,
                                     plumb_error *err) PLUMB_MUST_CHECK;
void plumb__record_file_close(plumb__record_file *file);
/* A line, appended to *out (NULL: not wanted) without its LF, and its leaf. Any thread. Errors:
 * PLUMB_ERR_DIGEST when the file is no longer what was verified. */
plumb_status plumb__record_file_line(const plumb__record_file *file, uint32_t number,
                                     plumb__bytes *out, plumb__hash *leaf,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* The whole file, appended to *out: the bytes that were verified, or an error. */
plumb_status plumb__record_file_read(const plumb__record_file *file, plumb__bytes *out,
                                     plumb_error *err) PLUMB_MUST_CHECK;

#endif
