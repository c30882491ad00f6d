/* What `plumb verify` recognises, each in its own file: cmd_verify.c has the arguments and the
 * table. They print their answer and return the exit code. */
#ifndef PLUMB_CLI_VERIFY_FORMS_H
#define PLUMB_CLI_VERIFY_FORMS_H

#include "cli/commands.h"

typedef struct plumb__verify_arguments {
    const char *path, *trust, *manifest, *step_text, *record;
    bool untrusted, full, closed, remember, help;
} plumb__verify_arguments;

/* What can be seen of the path before anything is checked. */
typedef struct plumb__verify_seen {
    bool is_directory;
    char head[64];            /* the file's first bytes, NUL ended */
    char predicate_type[256]; /* of the statement in an envelope; "" when it is none */
} plumb__verify_seen;

/* A run bundle; `checkpoint` (NULL: none) is the file in it that was asked about. */
int plumb__verify_run(const plumb__verify_arguments *a, const char *dir, const char *checkpoint);
/* A file in a bundle's checkpoints/: it holds if its run holds. */
int plumb__verify_run_checkpoint(const plumb__verify_arguments *a);
/* NAME.plumb.json with all that belongs to it. */
int plumb__verify_manifest(const plumb__verify_arguments *a);
/* A tlog-proof about one record. */
int plumb__verify_proof(const plumb__verify_arguments *a);
/* What a customer gives back to a vendor. */
int plumb__verify_receipt(const plumb__verify_arguments *a);
/* NAME.checkpoint without its manifest. */
int plumb__verify_note(const plumb__verify_arguments *a);

#endif
