/* Signing in two halves: prepare makes what is to be signed and needs no key; finish takes the
 * signatures, wherever they were made, and writes the files. */
#ifndef PLUMB_MANIFEST_SIGNING_H
#define PLUMB_MANIFEST_SIGNING_H

#include "manifest/manifest_object.h"

typedef struct plumb__signing {
    char envelope_path[PLUMB__PATH_BYTES], checkpoint_path[PLUMB__PATH_BYTES];
    char private_path[PLUMB__PATH_BYTES];
    plumb__bytes old_text;
    json_t *taxonomy;
    plumb__statement statement, old; /* old.root NULL: there was no envelope */
    plumb__dsse envelope;            /* its payload is what is to be signed */
    bool replaces;                   /* what is there is of an older version */
    bool idle_names;                 /* records name entries, and there is no taxonomy */
} plumb__signing;

/* One signer's signatures, made anywhere. */
typedef struct plumb__signature {
    plumb_public_key key;
    uint8_t envelope[PLUMB_SIGNATURE_BYTES]; /* over the PAE */
    bool has_note;
    uint8_t note[PLUMB_SIGNATURE_BYTES]; /* over the checkpoint's text */
} plumb__signature;

/* NAME.jsonl -> the paths of the other files. */
plumb_status plumb__signing_paths(const char *records_path, plumb__signing *s,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* What opening would refuse must not be signed: reads the records under s->taxonomy, whose place is
 * taxonomy_path in messages, and fills *out with what they are known by. */
plumb_status plumb__signing_read_records(const char *records_path, const char *taxonomy_path,
                                         plumb__signing *s, plumb__records_identity *out,
                                         plumb_error *err) PLUMB_MUST_CHECK;
/* The envelope that is there already, if there is one: into s->envelope and s->old. */
plumb_status plumb__signing_read_old(plumb__signing *s, plumb_error *err) PLUMB_MUST_CHECK;
/* That `now` may take the place of s->old: same dataset, higher version. */
plumb_status plumb__signing_check_succession(const plumb__signing *s, const plumb__statement *now,
                                             plumb_error *err) PLUMB_MUST_CHECK;
/* All up to the signature. */
plumb_status plumb__signing_prepare(const char *records_path, const plumb_sign_options *options,
                                    plumb__signing *s, plumb_error *err) PLUMB_MUST_CHECK;
/* The checkpoint's text. */
plumb_status plumb__signing_note(const plumb__signing *s, plumb__bytes *out,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* Checks the signatures, then writes. Invariant: the old chain of withdrawals is copied aside and
 * the old checkpoint goes, then the envelope is replaced, then the old chain goes and the new
 * checkpoint comes. A crash in between leaves a valid manifest: the old version with its
 * withdrawals or the new one without, perhaps without a checkpoint, never with a wrong one. */
plumb_status plumb__signing_finish(plumb__signing *s, const plumb__signature *by,
                                   plumb_error *err) PLUMB_MUST_CHECK;
void plumb__signing_free(plumb__signing *s);

#endif
