/* Inventories: the bundle's files as a seal finds them. A line of seals.jsonl says how one differs
 * from that before it (docs/formats/bundle.md section 6); inventory_fold.h puts the lines together
 * again. Used by the writer, by recovery and by verification. */
#ifndef PLUMB_PROVENANCE_INVENTORY_H
#define PLUMB_PROVENANCE_INVENTORY_H

#include "base/file.h"
#include "base/hash.h"

#define PLUMB__MAX_INVENTORY_FILES 100000u
#define PLUMB__MAX_SEAL_LINE_BYTES ((size_t)64 << 20)

typedef enum plumb__seal_state {
    PLUMB__SEAL_OPEN = 0,
    PLUMB__SEAL_MERGED = 1,
    PLUMB__SEAL_CLOSED = 2
} plumb__seal_state;

const char *plumb__seal_state_name(plumb__seal_state state); /* "open", "merged", "closed" */

typedef struct plumb__inventory_file {
    char *name; /* relative, with '/' */
    uint64_t bytes;
    plumb__hash blake2b;
    /* of the file as it was hashed, for plumb__inventory_collect alone; not in the line */
    int64_t mtime_ns;
    uint64_t inode;
} plumb__inventory_file;

typedef struct plumb__inventory {
    uint64_t leaf, seal;
    plumb__seal_state state;
    plumb__inventory_file *files; /* sorted by name */
    size_t n_files, capacity;
} plumb__inventory;

/* Whether a file belongs into inventories: all but seals.jsonl, head, journal/… and *.tmp. */
bool plumb__inventory_covers(const char *relative);
/* Lists and hashes the bundle's files. Digests of files of 1 MiB and more are taken over from
 * `previous` (may be NULL) when size, time and inode are unchanged. */
plumb_status plumb__inventory_collect(const char *dir, const plumb__inventory *previous,
                                      plumb__inventory *out, plumb_error *err) PLUMB_MUST_CHECK;
/* The file of this name, or NULL. */
const plumb__inventory_file *plumb__inventory_find(const plumb__inventory *inventory,
                                                   const char *name);
/* Whether both name the same files with the same bytes. */
bool plumb__inventory_same_files(const plumb__inventory *a, const plumb__inventory *b);
/* Appends the line, without its LF, that leads from `before` (NULL: nothing) to `now`: what was
 * added or changed, and what is gone. inventory_fold.h reads it. */
plumb_status plumb__inventory_dump(const plumb__inventory *before, const plumb__inventory *now,
                                   plumb__bytes *out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__inventory_free(plumb__inventory *inventory);

#endif
